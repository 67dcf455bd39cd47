"""The cases by the whole engine: from a Git server into a cluster of their own, to the outcome that Argo CD gives.

What was written, and in which order, is read from the API server's audit log.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import Manifest, Object, ObjectKey
from testbed.audit import AuditLog
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitrepo import GitRepo
from testbed.gitserver import GitServer
from testbed.redis import RedisServer
from testbed.world import World, eventually

pytestmark = pytest.mark.cluster

BY_HAND = {"syncOptions": ["CreateNamespace=true"]}
WRITES = {"create", "patch", "update", "delete"}
MISSING = {"sync": "OutOfSync", "health": "Missing"}


@pytest.fixture(scope="module")
def world(git_server: GitServer) -> Iterator[World]:
    """An engine on a cluster of its own, so that the audit log has no other's writes."""
    env = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http", "GITOPS_WAVE_DELAY": "0"}
    with (
        ControlPlane() as cluster,
        RedisServer() as redis,
        Engine(cluster.kubeconfig, redis.url, workers=1, env=env) as engine,
    ):
        client = ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig))
        install(client, "argocd", custom_resources())
        yield World(client, engine, git_server, cluster, redis)


def case(world: World, conformance: Path, name: str, *beside: str, under: str = "") -> GitRepo:
    """A repository with a case directory, and others beside it, as they are."""
    repo = world.git.create(f"cases-{under or name}/app")
    for folder in (name, *beside):
        repo.from_directory(conformance / "cases" / folder, under=folder)
    repo.commit("as it is")
    repo.push()
    return repo


def sync(world: World, name: str, *options: str) -> Object:
    """Sync by hand and wait; the operation's state, whatever became of it."""
    world.engine.gitops("app", "sync", name, *options, check=False)
    state: Object = world.app(name)["status"]["operationState"]
    return state


def writes(world: World, since: int, namespace: str) -> list[tuple[str, str, str]]:
    """(verb, resource, name) of what the engine wrote in a namespace, in order; no dry runs."""
    found = []
    for event in AuditLog(world.cluster.audit_log).events(since, user=""):
        target = event.get("objectRef") or {}
        ours = event["userAgent"].startswith("gitops") and target.get("namespace") == namespace
        if ours and event["verb"] in WRITES and target["resource"] != "events" and "dryRun" not in event["requestURI"]:
            found.append((event["verb"], target["resource"], target.get("name", "")))
    return found


def mark(world: World) -> int:
    return AuditLog(world.cluster.audit_log).mark()


def condition_of(app: Object, kind: str) -> str:
    return next((c["message"] for c in app["status"].get("conditions") or () if c["type"] == kind), "")


# --- the guestbook, and one that crashes ---


def test_guestbook(world: World, conformance: Path) -> None:
    world.application("guestbook", case(world, conformance, "guestbook").http_url, path="guestbook", syncPolicy=BY_HAND)
    app = world.becomes("guestbook", **MISSING)
    assert app["status"]["sourceType"] == "Kustomize"
    since = mark(world)
    state = sync(world, "guestbook")
    assert (state["phase"], state["message"]) == ("Succeeded", "successfully synced (all tasks run)")
    assert [row[1:] for row in writes(world, since, "guestbook")] == [
        ("services", "guestbook-ui"),
        ("deployments", "guestbook-ui"),
    ]
    rows = {row["kind"]: (row["status"], row["message"], row["syncPhase"]) for row in state["syncResult"]["resources"]}
    assert rows["Service"] == ("Synced", "service/guestbook-ui serverside-applied", "Sync")
    world.becomes("guestbook")


def test_a_deployment_that_crashes_is_synced_and_degraded(world: World, conformance: Path) -> None:
    """One wave: the operation succeeds without waiting for health, which then tells of the crash."""
    repo = case(world, conformance, "crashing-guestbook", "guestbook")
    # No image runs here. Pods that no node takes never become ready either, so that the same deadline passes.
    patch = yaml.safe_load((repo.work / "crashing-guestbook" / "guestbook-deployment.yaml").read_text())
    patch["spec"]["replicas"] = 1
    patch["spec"]["template"]["spec"]["nodeSelector"] = {"there-is": "no-such-node"}
    world.application("crashing", repo.http_url, path="crashing-guestbook", syncPolicy=BY_HAND)
    world.becomes("crashing", **MISSING)
    assert sync(world, "crashing")["phase"] == "Succeeded"
    app = world.becomes("crashing")  # as it is, it asks for no replica at all
    live = world.live("Deployment", "crashing", "guestbook-ui", "apps") or {}
    assert live["spec"]["progressDeadlineSeconds"] == 3
    assert live["spec"]["template"]["spec"]["containers"][0]["command"] == ["fail"]
    repo.write({"crashing-guestbook/guestbook-deployment.yaml": yaml.safe_dump(patch)})
    repo.commit("one replica")
    repo.push()
    world.engine.gitops("app", "refresh", "crashing")
    state = sync(world, "crashing")
    assert (state["phase"], state["message"]) == ("Succeeded", "successfully synced (all tasks run)")
    app = world.becomes("crashing", health="Degraded")
    row = next(r for r in app["status"]["resources"] if r["kind"] == "Deployment")
    assert (row["status"], row["health"]["status"]) == ("Synced", "Degraded")
    assert "exceeded its progress deadline" in row["health"]["message"]


# --- Applications as objects ---


@pytest.fixture
def declared(conformance: Path) -> Any:
    """An Application of the case declarative-apps, its placeholders filled."""

    def fill(file: str, **values: str) -> Object:
        text = (conformance / "cases" / "declarative-apps" / file).read_text()
        for name, value in {"ArgoCDNamespace": "argocd", "Project": "default", **values}.items():
            text = text.replace("{{." + name + "}}", value)
        obj: Object = yaml.safe_load(text)
        return obj

    return fill


def test_a_declared_application(world: World, conformance: Path, declared: Any) -> None:
    url = case(world, conformance, "guestbook", under="declared").http_url
    world.cluster.create_namespace("declared")
    since = mark(world)
    app = declared("app.yaml", Name="declared", RepoURL=url, Path="guestbook", DeploymentNamespace="declared")
    world.client.apply(Manifest.of(app))
    world.becomes("declared", **MISSING)
    assert writes(world, since, "declared") == [], "nobody asked for a sync, and there is no policy"
    assert sync(world, "declared")["phase"] == "Succeeded"
    world.becomes("declared")


@pytest.mark.parametrize(
    ("name", "values", "kind", "sentence"),
    [
        ("no-path", {"Path": "garbage"}, "ComparisonError", "garbage"),
        ("no-repository", {"RepoURL": "garbage"}, "InvalidSpecError", "garbage"),
        ("no-project", {"Project": "garbage"}, "InvalidSpecError", "in project garbage, which does not exist"),
    ],
)
def test_a_declared_application_that_is_wrong(
    world: World, conformance: Path, declared: Any, name: str, values: dict[str, str], kind: str, sentence: str
) -> None:
    url = case(world, conformance, "guestbook", under=name).http_url
    filled = {"Name": name, "RepoURL": url, "Path": "guestbook", "DeploymentNamespace": "default", **values}
    world.client.apply(Manifest.of(declared("app.yaml", **filled)))

    def conditions() -> list[Object]:
        found: list[Object] = (world.app(name).get("status") or {}).get("conditions") or []
        return found

    eventually(lambda: any(sentence in c["message"] for c in conditions()), "the condition", context=world.logs)
    assert {c["type"] for c in conditions() if sentence in c["message"]} <= {kind, "ComparisonError"}
    assert world.status(name) == ("Unknown", "Unknown")
    key = ObjectKey("argoproj.io", "Application", "argocd", name)
    finalizers = {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}}
    world.client.merge_patch(key, finalizers)
    world.client.delete(key)
    eventually(lambda: world.client.get(key) is None, "its deletion, wrong as it is", context=world.logs)


def test_a_declared_application_whose_values_are_missing(world: World, conformance: Path, declared: Any) -> None:
    url = case(world, conformance, "helm", under="no-values").http_url
    app = declared("invalid-helm.yaml", Name="no-values", RepoURL=url, Path="helm", DeploymentNamespace="default")
    world.client.apply(Manifest.of(app))
    assert "does-not-exist-values.yaml" in world.condition("no-values", "ComparisonError")
    assert world.status("no-values")[0] == "Unknown"


# --- whose an object is ---


def test_an_instance_label_that_the_manifest_itself_has(world: World, conformance: Path) -> None:
    url = case(world, conformance, "tracking-instance-label").http_url
    world.application("labelled", url, path="tracking-instance-label", syncPolicy=BY_HAND)
    world.becomes("labelled", **MISSING)
    assert sync(world, "labelled")["phase"] == "Succeeded"
    world.becomes("labelled")

    def marks() -> tuple[str, str]:
        meta = (world.live("ConfigMap", "labelled", "my-map") or {})["metadata"]
        label, tracking = "app.kubernetes.io/instance", "argocd.argoproj.io/tracking-id"
        return meta["labels"].get(label, ""), (meta.get("annotations") or {}).get(tracking, "")

    mine = "labelled:/ConfigMap:labelled/my-map"
    assert marks() == ("my-release", mine), "by annotation, the label is the manifest's own affair"

    settings = ObjectKey("", "ConfigMap", "argocd", "argocd-cm")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}
    world.client.apply(Manifest.of({**body, "data": {"application.resourceTrackingMethod": "label"}}))
    try:
        world.becomes("labelled", sync="OutOfSync")
        assert sync(world, "labelled")["phase"] == "Succeeded"
        world.becomes("labelled")
        assert marks()[0] == "labelled", "by label, it says whose the object is"
    finally:
        world.client.delete(settings)
    world.becomes("labelled", sync="OutOfSync")
    assert sync(world, "labelled")["phase"] == "Succeeded"
    world.becomes("labelled")
    assert marks() == ("my-release", mine)


# --- what is in the directory ---


def test_an_empty_directory(world: World, conformance: Path) -> None:
    world.application("empty", case(world, conformance, "empty-dir").http_url, path="empty-dir", syncPolicy=BY_HAND)
    app = world.becomes("empty")
    assert not app["status"].get("resources")


def test_secrets_are_no_drift(world: World, conformance: Path) -> None:
    """stringData becomes data on the server: no difference, and none of the values is shown."""
    world.application("secrets", case(world, conformance, "secrets").http_url, path="secrets", syncPolicy=BY_HAND)
    world.becomes("secrets", **MISSING)
    assert sync(world, "secrets")["phase"] == "Succeeded"
    world.becomes("secrets")
    world.engine.gitops("app", "refresh", "secrets", "--hard")
    app = world.becomes("secrets")
    assert world.live("Secret", "secrets", "test-secret")
    assert world.engine.gitops("app", "diff", "secrets") == ""
    assert not any(
        value in f"{app}{world.logs()}" for value in ("test-username", "dGVzdC11c2VybmFtZQ", "test-password")
    )


def test_kinds_that_are_served_no_more(world: World, conformance: Path) -> None:
    repo = case(world, conformance, "deprecated-extensions")
    world.application("deprecated", repo.http_url, path="deprecated-extensions", syncPolicy=BY_HAND)
    world.becomes("deprecated", **MISSING)
    since = mark(world)
    state = sync(world, "deprecated")
    assert state["phase"] == "Failed"
    assert state["message"].startswith("one or more synchronization tasks are not valid")
    assert "PodSecurityPolicy" in state["message"]
    assert writes(world, since, "deprecated") == [], "nothing is applied where a task is not valid"


def test_a_namespace_that_nobody_makes(world: World, conformance: Path) -> None:
    """CreateNamespace makes the destination's own, and no other."""
    repo = case(world, conformance, "guestbook-with-namespace")
    world.application("two-places", repo.http_url, path="guestbook-with-namespace", syncPolicy=BY_HAND)
    world.becomes("two-places", **MISSING)
    state = sync(world, "two-places")
    assert state["phase"] == "Failed"
    failed = {(row["kind"], row["namespace"]) for row in state["syncResult"]["resources"] if row["status"] != "Synced"}
    assert failed == {("Service", "namespace"), ("Deployment", "namespace")}
    assert world.live("Deployment", "two-places", "guestbook-ui", "apps"), "the others are applied"
    world.cluster.create_namespace("namespace")
    assert sync(world, "two-places")["phase"] == "Succeeded"
    world.becomes("two-places")


def test_a_chart_with_its_crds(world: World, conformance: Path) -> None:
    world.application("chart", case(world, conformance, "helm3-crd").http_url, path="helm3-crd", syncPolicy=BY_HAND)
    app = world.becomes("chart", **MISSING)
    assert app["status"]["sourceType"] == "Helm"
    assert sync(world, "chart")["phase"] == "Succeeded"
    app = world.becomes("chart")
    assert {r["kind"] for r in app["status"]["resources"]} == {"CustomResourceDefinition", "ConfigMap"}
    crd = world.live("CustomResourceDefinition", "", "crontabs.stable.example.com", "apiextensions.k8s.io") or {}
    assert "argocd.argoproj.io/tracking-id" not in (crd["metadata"].get("annotations") or {})


def test_status_is_no_drift_whether_or_not_it_is_a_subresource(world: World, conformance: Path) -> None:
    repo = case(world, conformance, "crd-subresource")
    world.application("subresource", repo.http_url, path="crd-subresource", syncPolicy=BY_HAND)
    world.becomes("subresource", **MISSING)
    assert sync(world, "subresource")["phase"] == "Succeeded"
    eventually(lambda: world.status("subresource")[0] == "Synced", "Synced", context=world.logs)
    kinds = {
        "StatusSubResource": ("status-subresource", "status"),
        "NonStatusSubResource": ("non-status-subresource", ""),
    }
    for kind, (name, subresource) in kinds.items():
        key = ObjectKey("argoproj.io", kind, "subresource", name)
        world.client.merge_patch(key, {"status": {"bar": "baz"}}, subresource=subresource)
        assert (world.client.get(key) or {})["status"] == {"bar": "baz"}
    world.engine.gitops("app", "refresh", "subresource", "--hard")
    assert world.status("subresource")[0] == "Synced"


# --- deletion ---


def test_a_pre_delete_hook_runs_before_anything_is_deleted(world: World, conformance: Path) -> None:
    repo = case(world, conformance, "pre-delete-hook")
    world.application("farewell", repo.http_url, path="pre-delete-hook", syncPolicy=BY_HAND)
    world.becomes("farewell", **MISSING)
    assert sync(world, "farewell")["phase"] == "Succeeded"
    app = world.becomes("farewell")
    assert "pre-delete-finalizer.argocd.argoproj.io" in app["metadata"]["finalizers"]
    assert world.live("Pod", "farewell", "hook") is None, "it is no part of a sync"
    since = mark(world)
    world.engine.gitops("app", "delete", "farewell")
    eventually(lambda: not world.app("farewell"), "the Application's end", context=world.logs)
    assert world.live("ConfigMap", "farewell", "guestbook-ui") is None
    done = [row for row in writes(world, since, "farewell") if row[1] in {"pods", "configmaps"}]
    made = next(at for at, (verb, _, name) in enumerate(done) if name == "hook" and verb in {"patch", "create"})
    assert made < done.index(("delete", "configmaps", "guestbook-ui"))
