"""Operations, whoever asks for them and however: the same path, and a status that Argo CD's own tools can read."""

from __future__ import annotations

import json
from typing import Any

import redis

from gitops.model.objects import Object, ObjectKey
from testbed.world import World, eventually

MANUAL = {"syncOptions": ["CreateNamespace=true"]}


def ask(world: World, name: str, **sync: Any) -> Object:
    """Write the CR's `operation` field, as Argo CD's API does; returns the Application when it has ended."""
    key = ObjectKey("argoproj.io", "Application", "argocd", name)
    before = ((world.app(name).get("status") or {}).get("operationState") or {}).get("startedAt")
    operation = {"sync": sync, "initiatedBy": {"username": "ola"}, "info": [{"name": "why", "value": "test"}]}
    world.client.merge_patch(key, {"operation": operation})

    def ended() -> bool:
        app = world.app(name)
        state = (app.get("status") or {}).get("operationState") or {}
        return "operation" not in app and state.get("startedAt") != before and bool(state.get("finishedAt"))

    eventually(ended, f"the end of {name}'s operation", context=world.logs)
    return world.app(name)


def colour(world: World, name: str) -> str:
    return str((world.live("ConfigMap", name, "settings") or {}).get("data", {}).get("colour"))


def test_an_operation_in_the_cr_leaves_a_complete_status(world: World, small: dict[str, str]) -> None:
    repo = world.repo(small)
    world.application("by-field", repo.http_url, syncPolicy=MANUAL)
    world.becomes("by-field", sync="OutOfSync", health="Missing")
    status = ask(world, "by-field", revision="HEAD", prune=True, syncStrategy={"hook": {}})["status"]
    state = status["operationState"]
    assert state["phase"] == "Succeeded"
    assert state["message"] == "successfully synced (all tasks run)"
    assert state["operation"]["initiatedBy"] == {"username": "ola"}
    assert state["operation"]["info"] == [{"name": "why", "value": "test"}]
    assert state["startedAt"] <= state["finishedAt"]
    result = state["syncResult"]
    assert result["revision"] == repo.head
    assert result["source"]["repoURL"] == repo.http_url
    rows = {row["kind"]: row for row in result["resources"]}
    assert rows["ConfigMap"] == {
        "group": "",
        "version": "v1",
        "kind": "ConfigMap",
        "namespace": "by-field",
        "name": "settings",
        "status": "Synced",
        "message": "configmap/settings serverside-applied",
        "hookPhase": rows["ConfigMap"]["hookPhase"],
        "syncPhase": "Sync",
    }
    assert rows["Deployment"]["images"] == ["registry.example/web:1"]
    (entry,) = status["history"]
    assert (entry["id"], entry["revision"], entry["initiatedBy"]) == (0, repo.head, {"username": "ola"})
    assert entry["source"]["path"] == "app"
    assert entry["deployStartedAt"] <= entry["deployedAt"]


def test_sync_to_a_revision_and_back_by_history_id(world: World, small: dict[str, str]) -> None:
    repo = world.repo(small)
    first = repo.head
    world.application("turns", repo.http_url, syncPolicy=MANUAL)
    world.becomes("turns", sync="OutOfSync", health="Missing")
    world.engine.gitops("app", "sync", "turns")
    repo.write({"app/settings.yaml": small["app/settings.yaml"].replace("blue", "green")})
    second = repo.commit("second")
    repo.push()
    state = ask(world, "turns", revision=second)["status"]["operationState"]
    assert (state["syncResult"]["revision"], colour(world, "turns")) == (second, "green")

    world.engine.gitops("app", "rollback", "turns", "0")
    assert colour(world, "turns") == "blue"
    status = world.app("turns")["status"]
    assert [entry["revision"] for entry in status["history"]] == [first, second, first]
    assert [entry["id"] for entry in status["history"]] == [0, 1, 2]
    listed = json.loads(world.engine.gitops("app", "history", "turns", "-o", "json"))
    assert [entry["id"] for entry in listed] == [0, 1, 2]
    # Git is ahead of what runs, and that is what the status says.
    eventually(lambda: world.status("turns")[0] == "OutOfSync", "the application behind Git", context=world.logs)


def test_a_selective_sync_touches_what_it_names_and_makes_no_history(world: World, small: dict[str, str]) -> None:
    world.application("chosen", world.repo(small).http_url, syncPolicy=MANUAL)
    world.becomes("chosen", sync="OutOfSync", health="Missing")
    app = ask(world, "chosen", resources=[{"group": "", "kind": "ConfigMap", "name": "settings"}])
    assert app["status"]["operationState"]["phase"] == "Succeeded"
    assert world.live("ConfigMap", "chosen", "settings")
    assert world.live("Deployment", "chosen", "web", "apps") is None
    assert not app["status"].get("history")


def test_local_manifests_are_refused_and_nothing_else_is_applied_in_their_place(
    world: World, small: dict[str, str]
) -> None:
    world.application("local", world.repo(small).http_url, syncPolicy=MANUAL)
    world.becomes("local", sync="OutOfSync", health="Missing")
    state = ask(world, "local", manifests=["{}"])["status"]["operationState"]
    assert state["phase"] == "Error"
    assert "manifests" in state["message"]
    assert world.live("ConfigMap", "local", "settings") is None


def test_what_failed_is_left_alone_until_something_changed(world: World, small: dict[str, str]) -> None:
    wrong = small["app/settings.yaml"].replace("data: {colour: blue}", "data: {'a b': blue}")
    repo = world.repo({"app/settings.yaml": wrong})
    policy = {"automated": {"selfHeal": True}, "syncOptions": ["CreateNamespace=true"], "retry": {"limit": 0}}
    world.application("failed-once", repo.http_url, syncPolicy=policy)
    assert "Invalid value" in world.condition("failed-once", "SyncError")
    started = world.app("failed-once")["status"]["operationState"]["startedAt"]
    for _ in range(2):
        world.engine.gitops("app", "refresh", "failed-once")
    assert world.app("failed-once")["status"]["operationState"]["startedAt"] == started
    said = world.condition("failed-once", "SyncError")
    assert said.startswith("Failed last sync attempt to") or "failed to apply" in said

    # Another policy may make it go well: it is tried again.
    world.application(
        "failed-once", repo.http_url, syncPolicy={**policy, "syncOptions": ["CreateNamespace=true", "Validate=false"]}
    )
    eventually(
        lambda: world.app("failed-once")["status"]["operationState"]["startedAt"] != started,
        "another attempt",
        context=world.logs,
    )
    repo.write({"app/settings.yaml": small["app/settings.yaml"]})
    repo.commit("mended")
    repo.push()
    world.engine.gitops("app", "refresh", "failed-once")
    world.becomes("failed-once")
    assert not [c for c in world.app("failed-once")["status"]["conditions"] if c["type"] == "SyncError"]


GATE = """
apiVersion: v1
kind: Service
metadata: {name: gate, annotations: {testbed.gitops/pending: "true"}}
spec: {type: LoadBalancer, selector: {app: gate}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: behind, annotations: {argocd.argoproj.io/sync-wave: "1"}}
"""


def test_an_operation_that_only_the_cr_remembers_goes_on_at_its_revision(world: World) -> None:
    repo = world.repo({"app/gate.yaml": GATE})
    sha = repo.head
    world.application("forgotten", repo.http_url)

    def state() -> dict[str, Any]:
        return (world.app("forgotten").get("status") or {}).get("operationState") or {}

    eventually(lambda: "healthy state" in state().get("message", ""), "the waiting operation", context=world.logs)
    repo.write({"app/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: newer}\n"})
    repo.commit("second")
    repo.push()
    with redis.Redis.from_url(world.engine.env["GITOPS_REDIS_URL"]) as store:
        store.hdel("gitops:app:argocd/forgotten", "op")
        store.zrem("gitops:parked", "argocd/forgotten")
    address = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    gate = ObjectKey("", "Service", "forgotten", "gate")
    world.client.merge_patch(gate, {"status": address}, subresource="status")
    world.engine.gitops("app", "refresh", "forgotten", check=False)

    eventually(lambda: world.live("ConfigMap", "forgotten", "behind"), "the next wave", context=world.logs)
    app = world.becomes("forgotten")
    assert app["status"]["history"][0]["revision"] == sha
    assert world.live("ConfigMap", "forgotten", "newer")


WAITS = """
apiVersion: v1
kind: Service
metadata: {name: gate, annotations: {testbed.gitops/pending: "true"}}
spec: {type: LoadBalancer, selector: {app: gate}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: second, annotations: {testbed.gitops/pending: "true"}}
spec: {type: LoadBalancer, selector: {app: gate}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: behind, annotations: {argocd.argoproj.io/sync-wave: "1"}}
"""


def test_the_status_shows_how_the_objects_are_while_an_operation_waits(world: World) -> None:
    world.application("shown", world.repo({"app/waits.yaml": WAITS}).http_url)

    def rows() -> dict[str, tuple[str, str]]:
        found = (world.app("shown").get("status") or {}).get("resources") or ()
        return {row["name"]: (row["status"], row["health"]["status"] if "health" in row else "") for row in found}

    progressing = ("Synced", "Progressing")
    waiting = {"gate": progressing, "second": progressing, "behind": ("OutOfSync", "Missing")}
    eventually(lambda: rows() == waiting, "the rows of the first wave", context=world.logs)
    status = world.app("shown")["status"]
    assert status["operationState"]["phase"] == "Running"
    assert (status["sync"]["status"], status["health"]["status"]) == ("OutOfSync", "Progressing")
    since = world.cluster.audit.mark()

    # One of the two becomes healthy: the operation waits for the other one, and the status says so by one write.
    address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    world.client.merge_patch(ObjectKey("", "Service", "shown", "gate"), address, subresource="status")
    eventually(lambda: rows() == {**waiting, "gate": ("Synced", "Healthy")}, "its health", context=world.logs)
    assert world.app("shown")["status"]["operationState"]["phase"] == "Running"
    assert len(written(world, "shown", since)) == 1

    # What somebody changes meanwhile is told too, and what nobody waits for is not read.
    second = ObjectKey("", "Service", "shown", "second")
    world.client.merge_patch(second, {"spec": {"selector": {"app": "other"}}}, field_manager="a-person")
    eventually(lambda: rows()["second"] == ("OutOfSync", "Progressing"), "the drift", context=world.logs)
    read = [e["objectRef"]["name"] for e in world.cluster.audit.events(since, verb="get", resource="configmaps")]
    assert "behind" not in read, "it is known not to be there"

    world.client.merge_patch(second, address, subresource="status")
    world.becomes("shown")
    assert rows() == dict.fromkeys(("gate", "second"), ("Synced", "Healthy")) | {"behind": ("Synced", "")}


def written(world: World, name: str, since: int) -> list[Object]:
    """The writes of an Application since then."""
    patches = world.cluster.audit.events(since, verb="patch", resource="applications")
    return [event for event in patches if event["objectRef"].get("name") == name]
