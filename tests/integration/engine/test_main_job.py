"""The main job: what is in Git is what runs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import yaml

from gitops.model.objects import Manifest, ObjectKey
from testbed.world import World, eventually


def test_an_application_becomes_synced_and_healthy(world: World, small: dict[str, str]) -> None:
    repo = world.repo(small)
    world.application("first", repo.http_url)
    app = world.becomes("first")
    assert app["status"]["sync"]["revision"] == repo.head
    assert app["status"]["operationState"]["phase"] == "Succeeded"
    assert app["status"]["sourceType"] == "Directory"
    assert {r["kind"]: r["status"] for r in app["status"]["resources"]} == {
        "Deployment": "Synced",
        "ConfigMap": "Synced",
    }
    assert app["status"]["summary"]["images"] == ["registry.example/web:1"]
    assert [h["revision"] for h in app["status"]["history"]] == [repo.head]
    live = world.live("ConfigMap", "first", "settings")
    assert live
    assert live["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] == "first:/ConfigMap:first/settings"


def test_a_commit_arrives_and_what_it_removes_is_pruned(world: World, small: dict[str, str]) -> None:
    repo = world.repo(small)
    world.application("commits", repo.http_url)
    world.becomes("commits")
    repo.delete("app/settings.yaml")
    repo.write({"app/deployment.yaml": small["app/deployment.yaml"].replace("web:1", "web:2")})
    sha = repo.commit("second")
    repo.push()
    world.engine.gitops("app", "refresh", "commits")
    eventually(lambda: world.app("commits")["status"]["sync"]["revision"] == sha, "the new revision")
    world.becomes("commits")
    assert world.live("ConfigMap", "commits", "settings") is None
    live = world.live("Deployment", "commits", "web", "apps")
    assert live
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:2"


def test_what_is_changed_or_deleted_by_hand_is_healed_by_the_watch(world: World, small: dict[str, str]) -> None:
    world.application("healed", world.repo(small).http_url)
    world.becomes("healed")
    settings = ObjectKey("", "ConfigMap", "healed", "settings")
    world.client.merge_patch(settings, {"data": {"colour": "red"}}, field_manager="a-person")
    # The poll interval is minutes, so polling cannot be what heals it.
    eventually(lambda: (world.client.get(settings) or {}).get("data") == {"colour": "blue"}, "the healed ConfigMap", 10)
    world.client.delete(settings)
    eventually(lambda: world.client.get(settings), "the ConfigMap's return", 10)
    world.becomes("healed")


def test_without_self_heal_drift_is_reported_and_left_alone(world: World, small: dict[str, str]) -> None:
    policy = {"automated": {"prune": True}, "syncOptions": ["CreateNamespace=true"]}
    world.application("drifts", world.repo(small).http_url, syncPolicy=policy)
    world.becomes("drifts")
    settings = ObjectKey("", "ConfigMap", "drifts", "settings")
    world.client.merge_patch(settings, {"data": {"colour": "red"}}, field_manager="a-person")
    app = world.becomes("drifts", sync="OutOfSync")
    assert {r["name"] for r in app["status"]["resources"] if r["status"] == "OutOfSync"} == {"settings"}
    assert (world.client.get(settings) or {})["data"] == {"colour": "red"}


def test_without_a_policy_nothing_is_written_until_somebody_asks(world: World, small: dict[str, str]) -> None:
    world.application("manual", world.repo(small).http_url, syncPolicy={"syncOptions": ["CreateNamespace=true"]})
    world.becomes("manual", sync="OutOfSync", health="Missing")
    assert world.live("ConfigMap", "manual", "settings") is None
    world.engine.gitops("app", "sync", "manual")
    world.becomes("manual")


def test_deleting_an_application_with_the_finalizer_deletes_its_objects(world: World, small: dict[str, str]) -> None:
    world.application("doomed", world.repo(small).http_url)
    world.becomes("doomed")
    key = ObjectKey("argoproj.io", "Application", "argocd", "doomed")
    finalizers = {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}}
    world.client.merge_patch(key, finalizers)
    world.client.delete(key)
    eventually(lambda: world.client.get(key) is None, "the Application's end", context=world.logs)
    assert world.live("Deployment", "doomed", "web", "apps") is None
    assert world.live("ConfigMap", "doomed", "settings") is None


def test_an_application_that_changes_is_followed_at_once(world: World, small: dict[str, str]) -> None:
    repo = world.repo({**small, "other/settings.yaml": small["app/settings.yaml"].replace("blue", "green")})
    world.application("changes", repo.http_url)
    world.becomes("changes")
    world.application("changes", repo.http_url, path="other")
    settings = ObjectKey("", "ConfigMap", "changes", "settings")
    eventually(lambda: (world.client.get(settings) or {}).get("data") == {"colour": "green"}, "the other path's data")
    eventually(lambda: world.live("Deployment", "changes", "web", "apps") is None, "the pruned Deployment")


def test_the_ad_hoc_task_answers_with_the_outcome(world: World, small: dict[str, str], monkeypatch: Any) -> None:
    world.application("adhoc", world.repo(small).http_url, syncPolicy={"syncOptions": ["CreateNamespace=true"]})
    world.becomes("adhoc", sync="OutOfSync", health="Missing")
    outcome = call_task(world, "gitops.sync", ["adhoc"])
    assert outcome["phase"] == "Succeeded"
    assert world.live("ConfigMap", "adhoc", "settings")
    world.becomes("adhoc")


def test_a_message_that_comes_again_asks_for_nothing_more(world: World, small: dict[str, str]) -> None:
    world.application("again", world.repo(small).http_url, syncPolicy={"syncOptions": ["CreateNamespace=true"]})
    world.becomes("again", sync="OutOfSync", health="Missing")
    first = call_task(world, "gitops.sync", ["again"], task_id="once")
    state = world.app("again")["status"]["operationState"]
    assert call_task(world, "gitops.sync", ["again"], task_id="once") == first
    # What is asked for behind it is done behind it.
    call_task(world, "gitops.sync", ["again"], task_id="another")
    history = world.app("again")["status"]["history"]
    assert [entry["id"] for entry in history] == [0, 1]
    assert history[0]["deployedAt"] == state["finishedAt"]


def call_task(world: World, name: str, args: list[Any], task_id: str | None = None) -> Any:
    """Call a task as another program would: a Celery client that knows the broker alone."""
    from celery import Celery

    url = world.engine.env["GITOPS_REDIS_URL"]
    options = {"global_keyprefix": "gitops:", "priority_steps": [0]}
    client = Celery(broker=url, backend=url)
    client.conf.update(
        broker_transport_options=options, result_backend_transport_options={"global_keyprefix": "gitops:"}
    )
    return client.send_task(name, args=args, queue="apply-urgent", task_id=task_id).get(timeout=60)


def test_the_seed_manifest_from_a_repository_over_ssh(world: World, tmp_path: Path) -> None:
    seed = yaml.safe_load(SEED)
    repo = world.git.create("coolvds-ops/payment-gateway")
    repo.publish(KUSTOMIZED, "first")
    world.client.apply(
        Manifest.of(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": "gateway-repo",
                    "namespace": "argocd",
                    "labels": {"argocd.argoproj.io/secret-type": "repository"},
                },
                "stringData": {
                    "url": seed["spec"]["source"]["repoURL"],
                    "sshPrivateKey": Path(world.git.ssh_key).read_text(),
                    "insecureIgnoreHostKey": "true",
                },
            }
        )
    )
    world.client.apply(Manifest.of(seed))
    app = world.becomes("nordic-payment-gateway")
    assert app["status"]["sourceType"] == "Kustomize"
    live = world.live("Deployment", "payments", "oslo-gateway", "apps")
    assert live
    assert live["spec"]["replicas"] == 3
    assert world.live("Namespace", "", "payments")


SEED = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: nordic-payment-gateway
  namespace: argocd
spec:
  project: default
  source:
    repoURL: 'git@gitlab.com:coolvds-ops/payment-gateway.git'
    targetRevision: HEAD
    path: k8s/overlays/oslo-prod
  destination:
    server: https://kubernetes.default.svc
    namespace: payments
  syncPolicy:
    automated:
      prune: true
      selfHeal: true
    syncOptions:
    - CreateNamespace=true
"""
KUSTOMIZED = {
    "k8s/base/kustomization.yaml": "resources: [gateway.yaml]\n",
    "k8s/base/gateway.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: gateway}
spec:
  replicas: 1
  selector: {matchLabels: {app: gateway}}
  template:
    metadata: {labels: {app: gateway}}
    spec: {containers: [{name: gateway, image: "registry.example/gateway:1"}]}
""",
    "k8s/overlays/oslo-prod/kustomization.yaml": """
namePrefix: oslo-
resources: [../../base]
replicas: [{name: gateway, count: 3}]
""",
}


def test_bad_input_gives_one_clear_sentence_and_the_others_go_on(world: World, small: dict[str, str]) -> None:
    repo = world.repo(
        {
            **small,
            "broken/bad.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x\ndata: 1\n",
            "nokind/bad.yaml": "apiVersion: v1\nmetadata: {name: x}\ndata: {}\n",
            "unknown/thing.yaml": "apiVersion: example.org/v1\nkind: Gizmo\nmetadata: {name: x}\n",
            "rejected/bad.yaml": small["app/settings.yaml"].replace(
                "data: {colour: blue}", "data: {colour: 7}\nfoo: bar"
            ),
        }
    )
    url = repo.http_url
    world.application("no-repository", url.replace(repo.name, "team/nowhere"))
    world.application("no-revision", url, source={"repoURL": url, "path": "app", "targetRevision": "v9"})
    world.application("no-path", url, path="nowhere")
    world.application("no-yaml", url, path="broken")
    world.application("no-kind", url, path="nokind")
    world.application("unknown-kind", url, path="unknown")
    world.application("rejected-field", url, path="rejected")
    assert "nowhere" in world.condition("no-repository", "ComparisonError")
    assert "v9" in world.condition("no-revision", "ComparisonError")
    assert "nowhere" in world.condition("no-path", "ComparisonError")
    broken = world.condition("no-yaml", "ComparisonError")
    assert "bad.yaml" in broken
    assert "line" in broken
    assert "kind" in world.condition("no-kind", "ComparisonError")
    assert "Gizmo" in world.condition("unknown-kind", "SyncError")
    assert "foo" in world.condition("rejected-field", "SyncError") or "colour" in world.condition(
        "rejected-field", "SyncError"
    )
    for name in ("no-repository", "no-revision", "no-path", "no-yaml", "no-kind"):
        assert world.status(name)[0] == "Unknown"
    world.application("goes-on", url)
    world.becomes("goes-on")


def test_nothing_is_written_while_nothing_changes(world: World, small: dict[str, str]) -> None:
    world.application("quiet", world.repo(small).http_url)
    before = world.becomes("quiet")["metadata"]["resourceVersion"]
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 3:
        assert world.app("quiet")["metadata"]["resourceVersion"] == before
        time.sleep(0.2)


def test_an_operation_that_waits_can_be_terminated(world: World) -> None:
    gate = """
apiVersion: v1
kind: Service
metadata:
  name: gate
  annotations: {testbed.gitops/pending: "true"}
spec: {type: LoadBalancer, selector: {app: gate}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: behind, annotations: {argocd.argoproj.io/sync-wave: "1"}}
"""
    policy = {"syncOptions": ["CreateNamespace=true"]}
    world.application("stuck", world.repo({"app/gate.yaml": gate}).http_url, syncPolicy=policy)
    world.becomes("stuck", sync="OutOfSync", health="Missing")
    world.engine.gitops("app", "sync", "stuck", "--async")

    def phase() -> str:
        return str(((world.app("stuck").get("status") or {}).get("operationState") or {}).get("phase"))

    eventually(lambda: phase() == "Running", "the waiting operation", context=world.logs)
    world.engine.gitops("app", "terminate-op", "stuck")
    eventually(lambda: phase() == "Failed", "its end", context=world.logs)
    assert world.app("stuck")["status"]["operationState"]["message"] == "Operation terminated"


def test_diff_and_dry_run_tell_what_a_sync_would_do_and_do_nothing(
    world: World, small: dict[str, str], tmp_path: Path
) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {password: hunter2}\n"
    files = {**small, "app/key.yaml": secret}
    world.application("foretold", world.repo(files).http_url, syncPolicy={"syncOptions": ["CreateNamespace=true"]})
    world.becomes("foretold", sync="OutOfSync", health="Missing")
    said = world.engine.gitops("app", "diff", "foretold", "--no-exit-code")
    assert "===== /ConfigMap foretold/settings ======" in said
    assert "colour: blue" in said
    assert "hunter2" not in said
    steps = world.engine.gitops("app", "sync", "foretold", "--dry-run")
    assert steps.index("ConfigMap") < steps.index("Deployment.apps")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    planned = json.loads(world.engine.gitops("plan", str(tmp_path / "app"), "-n", "foretold", "-o", "json"))
    told = json.loads(world.engine.gitops("app", "sync", "foretold", "--dry-run", "-o", "json"))
    assert [row["kind"] for row in told[:1]] == ["Namespace"]
    without_steps = [{k: v for k, v in row.items() if k != "step"} for row in told[1:]]
    assert without_steps == [{k: v for k, v in row.items() if k != "step"} for row in planned]
    assert world.live("ConfigMap", "foretold", "settings") is None
    world.engine.gitops("app", "sync", "foretold")
    world.becomes("foretold")
    assert world.engine.gitops("app", "diff", "foretold") == ""
