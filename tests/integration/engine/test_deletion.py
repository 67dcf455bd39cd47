"""The end of an Application on a real API server: delete hooks, what outlives it, what a person has to confirm."""

from __future__ import annotations

from datetime import UTC, datetime

import redis

from gitops.model.objects import Object, ObjectKey
from testbed.audit import AuditLog
from testbed.world import World, eventually

FINALIZER = "resources-finalizer.argocd.argoproj.io"


def key(name: str) -> ObjectKey:
    return ObjectKey("argoproj.io", "Application", "argocd", name)


def hook(name: str, phase: str, more: str = "", policy: str = "HookSucceeded") -> str:
    return f"""
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  annotations:
    argocd.argoproj.io/hook: {phase}
    argocd.argoproj.io/hook-delete-policy: {policy}
spec:
  backoffLimit: 0
  template:
    metadata: {{annotations: {{{more}}}}}
    spec: {{restartPolicy: Never, containers: [{{name: main, image: "registry.example/job:1"}}]}}
"""


def end(world: World, name: str) -> None:
    """Ask for the deletion of an Application with its objects, as `gitops app delete` does."""
    finalizers = world.app(name)["metadata"].get("finalizers") or []
    world.client.merge_patch(key(name), {"metadata": {"finalizers": [*finalizers, FINALIZER]}})
    world.client.delete(key(name))


def conditions(app: Object) -> dict[str, str]:
    return {c["type"]: c["message"] for c in (app.get("status") or {}).get("conditions") or []}


def test_delete_hooks_run_before_and_after_the_objects_go(world: World, small: dict[str, str]) -> None:
    files = {**small, "app/before.yaml": hook("before", "PreDelete"), "app/after.yaml": hook("after", "PostDelete")}
    world.application("farewell", world.repo(files).http_url)
    app = world.becomes("farewell")
    assert {f for f in app["metadata"]["finalizers"] if "cleanup" not in f} == {
        "pre-delete-finalizer.argocd.argoproj.io",
        "post-delete-finalizer.argocd.argoproj.io",
    }
    assert world.live("Job", "farewell", "before", "batch") is None, "no sync runs a delete hook"

    mark = AuditLog(world.cluster.audit_log).mark()
    end(world, "farewell")
    eventually(lambda: world.client.get(key("farewell")) is None, "the Application's end", context=world.logs)

    done = []
    for event in AuditLog(world.cluster.audit_log).events(mark):
        target = event.get("objectRef") or {}
        if (
            target.get("namespace") == "farewell"
            and event["userAgent"].startswith("gitops")
            and event["verb"] in {"patch", "create", "delete"}
        ):
            done.append((event["verb"], target["resource"], target.get("name")))
    first = list(dict.fromkeys((verb, resource, name) for verb, resource, name in done))
    before = next(i for i, (verb, _, name) in enumerate(first) if name == "before" and verb != "delete")
    gone = first.index(("delete", "deployments", "web"))
    after = next(i for i, (verb, _, name) in enumerate(first) if name == "after" and verb != "delete")
    assert before < gone < after
    assert world.live("Deployment", "farewell", "web", "apps") is None
    eventually(lambda: world.live("Job", "farewell", "after", "batch") is None, "the clean-up of the hook")


def test_a_failed_pre_delete_hook_keeps_the_application_and_says_why(world: World, small: dict[str, str]) -> None:
    files = {**small, "app/before.yaml": hook("before", "PreDelete", 'testbed.gitops/fail: "exit"')}
    world.application("held", world.repo(files).http_url)
    world.becomes("held")
    end(world, "held")
    said = world.condition("held", "DeletionError")
    assert said.startswith("PreDelete hook batch/Job/before failed and is tried again")
    assert world.live("Deployment", "held", "web", "apps"), "nothing is deleted before the hook went well"
    # It is not made again at once, though its own end is a change that the watch tells of.
    eventually(lambda: world.live("Job", "held", "before", "batch") is None, "the failed hook's end")
    assert len([c for c in world.app("held")["status"]["conditions"] if c["type"] == "DeletionError"]) == 1

    # A person who does without the hook takes its finalizers off.
    world.client.merge_patch(key("held"), {"metadata": {"finalizers": [FINALIZER]}})
    eventually(lambda: world.client.get(key("held")) is None, "the Application's end", 90, world.logs)
    assert world.live("Deployment", "held", "web", "apps") is None


def test_what_says_delete_false_outlives_the_application_and_delete_confirm_waits(
    world: World, small: dict[str, str]
) -> None:
    marked = "metadata: {name: settings, annotations: {argocd.argoproj.io/sync-options: %s}}"
    kept = (
        small["app/settings.yaml"]
        .replace("metadata: {name: settings}", marked % '"Delete=false"')
        .replace("name: settings", "name: kept")
    )
    asks = small["app/settings.yaml"].replace("metadata: {name: settings}", marked % '"Delete=confirm"')
    repo = world.repo({"app/web.yaml": small["app/deployment.yaml"], "app/kept.yaml": kept, "app/asks.yaml": asks})
    world.application("asked", repo.http_url)
    app = world.becomes("asked")
    assert [r["name"] for r in app["status"]["resources"] if r.get("requiresDeletionConfirmation")] == ["settings"]

    end(world, "asked")
    eventually(lambda: world.app("asked")["metadata"].get("deletionTimestamp"), "the wish to delete")
    with redis.Redis.from_url(world.engine.env["GITOPS_REDIS_URL"]) as store:
        eventually(lambda: store.zscore("gitops:parked", "argocd/asked"), "the wait", context=world.logs)
    assert world.live("Deployment", "asked", "web", "apps"), "nothing goes before it is confirmed"

    approved = {"argocd.argoproj.io/deletion-approved": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    world.client.merge_patch(key("asked"), {"metadata": {"annotations": approved}})
    eventually(lambda: world.client.get(key("asked")) is None, "the Application's end", context=world.logs)
    assert world.live("ConfigMap", "asked", "settings") is None
    assert world.live("ConfigMap", "asked", "kept")
