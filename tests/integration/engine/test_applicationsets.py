"""ApplicationSets and apps of apps, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from gitops.cli.local import install
from gitops.cli.web import Backend
from gitops.cluster import ClusterClient, Connection
from gitops.errors import ClusterError
from gitops.model.objects import GVK, Manifest, Object, ObjectKey
from gitops.settings import Settings
from gitops.state import State
from gitops.web.matching import touched
from gitops.web.providers import Push
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.world import World, eventually

IN_CLUSTER = "https://kubernetes.default.svc"


def application_key(name: str) -> ObjectKey:
    return ObjectKey("argoproj.io", "Application", "argocd", name)


def set_key(name: str) -> ObjectKey:
    return ObjectKey("argoproj.io", "ApplicationSet", "argocd", name)


def application_set(
    world: World,
    name: str,
    generators: list[Object],
    repo_url: str,
    path: str = "app",
    project: str = "default",
    **spec: Any,
) -> None:
    """An ApplicationSet whose Applications are `{{name}}`, each into a namespace of that name."""
    template = {
        "metadata": {"name": "{{name}}"},
        "spec": {
            "project": project,
            "source": {"repoURL": repo_url, "path": path, "targetRevision": "HEAD"},
            "destination": {"server": IN_CLUSTER, "namespace": "{{name}}"},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["CreateNamespace=true"],
            },
        },
    }
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"generators": generators, "template": template, **spec},
    }
    world.client.apply(Manifest.of(body))


def listed(*names: str) -> list[Object]:
    return [{"list": {"elements": [{"name": name} for name in names]}}]


def owned(world: World, name: str) -> set[str]:
    """The Applications that an ApplicationSet owns."""
    uid = (world.client.get(set_key(name)) or {})["metadata"]["uid"]
    found = world.client.list(GVK("argoproj.io", "v1alpha1", "Application"), namespace="argocd")
    return {
        app["metadata"]["name"]
        for app in found
        if any(entry["uid"] == uid for entry in app["metadata"].get("ownerReferences") or ())
    }


def condition(world: World, name: str, kind: str) -> tuple[str, str]:
    """(status, message) of an ApplicationSet's condition."""
    status = (world.client.get(set_key(name)) or {}).get("status") or {}
    return next(((c["status"], c["message"]) for c in status.get("conditions") or () if c["type"] == kind), ("", ""))


def becomes_owner(world: World, name: str, *apps: str) -> None:
    eventually(lambda: owned(world, name) == set(apps), f"{name} owns {apps}", context=world.logs)


def test_a_list_makes_applications_that_become_healthy(world: World, small: dict[str, str]) -> None:
    names = ("list-a", "list-b", "list-c")
    application_set(world, "lists", listed(*names), world.repo(small).http_url)
    for name in names:
        app = world.becomes(name)
        assert app["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
        assert world.live("ConfigMap", name, "settings")
    becomes_owner(world, "lists", *names)
    assert condition(world, "lists", "ErrorOccurred")[0] == "False"
    assert condition(world, "lists", "ResourcesUpToDate")[0] == "True"

    def resources() -> bool:
        shown = (world.client.get(set_key("lists")) or {})["status"].get("resources") or []
        return [(r["name"], r["status"], r.get("health", {}).get("status")) for r in shown] == [
            (name, "Synced", "Healthy") for name in names
        ]

    eventually(resources, "the Applications' status in status.resources")


def test_an_element_that_goes_takes_its_application_and_objects_along(world: World, small: dict[str, str]) -> None:
    url = world.repo(small).http_url
    application_set(world, "shrinks", listed("stays", "goes"), url)
    world.becomes("stays")
    world.becomes("goes")
    application_set(world, "shrinks", listed("stays"), url)
    eventually(lambda: not world.app("goes"), "the Application's end", context=world.logs)
    assert world.live("ConfigMap", "goes", "settings") is None
    assert world.live("Deployment", "goes", "web", "apps") is None
    assert world.live("ConfigMap", "stays", "settings")


def test_objects_stay_where_the_set_preserves_them(world: World, small: dict[str, str]) -> None:
    url = world.repo(small).http_url
    application_set(world, "preserves", listed("preserved"), url)
    world.becomes("preserved")
    application_set(world, "preserves", listed("other"), url, syncPolicy={"preserveResourcesOnDeletion": True})
    eventually(lambda: not world.app("preserved"), "the Application's end", context=world.logs)
    world.becomes("other")
    assert world.live("ConfigMap", "preserved", "settings")
    assert not world.app("other")["metadata"].get("finalizers")


def test_a_policy_without_delete_keeps_applications(world: World, small: dict[str, str]) -> None:
    url, policy = world.repo(small).http_url, {"applicationsSync": "create-update"}
    application_set(world, "keeps", listed("kept", "changed"), url, syncPolicy=policy)
    world.becomes("kept")
    world.becomes("changed")
    other = world.repo(small).http_url
    application_set(world, "keeps", listed("changed"), other, syncPolicy=policy)
    eventually(lambda: world.app("changed")["spec"]["source"]["repoURL"] == other, "the update", context=world.logs)
    eventually(lambda: condition(world, "keeps", "ResourcesUpToDate")[0] == "True", "the condition")
    assert world.app("kept")["spec"]["source"]["repoURL"] == url
    assert "deletionTimestamp" not in world.app("kept")["metadata"]


def test_an_application_that_people_change_or_delete_is_put_right(world: World, small: dict[str, str]) -> None:
    application_set(world, "rights", listed("righted"), world.repo(small).http_url)
    uid = world.becomes("righted")["metadata"]["uid"]
    world.client.merge_patch(application_key("righted"), {"spec": {"source": {"targetRevision": "other"}}})
    eventually(lambda: world.app("righted")["spec"]["source"]["targetRevision"] == "HEAD", "the template's revision")
    world.client.delete(application_key("righted"))
    eventually(
        lambda: world.app("righted").get("metadata", {}).get("uid", uid) != uid, "another one", context=world.logs
    )
    world.becomes("righted")


def test_a_directory_in_git_is_an_application(world: World, small: dict[str, str]) -> None:
    settings = small["app/settings.yaml"]
    repo = world.repo({"apps/dir-one/settings.yaml": settings, "apps/dir-two/settings.yaml": settings})
    git = {"repoURL": repo.http_url, "revision": "HEAD", "directories": [{"path": "apps/*"}]}
    application_set(
        world, "directories", [{"git": {**git, "values": {}}}], repo.http_url, path="{{path}}",
        templatePatch="metadata: {name: '{{path.basename}}'}\nspec: {destination: {namespace: '{{path.basename}}'}}",
    )  # fmt: skip
    world.becomes("dir-one")
    world.becomes("dir-two")
    repo.delete("apps/dir-two/settings.yaml")
    repo.write({"apps/dir-three/settings.yaml": settings})
    repo.commit("another directory")
    repo.push()
    asked = {"metadata": {"annotations": {"argocd.argoproj.io/application-set-refresh": "true"}}}
    world.client.merge_patch(set_key("directories"), asked)
    world.becomes("dir-three")
    eventually(lambda: not world.app("dir-two"), "the removed directory's Application", context=world.logs)
    assert not (world.client.get(set_key("directories")) or {})["metadata"].get("annotations")


def test_a_commit_that_an_application_sees_is_seen_by_the_set(world: World, small: dict[str, str]) -> None:
    repo = world.repo({**small, "teams/a.yaml": "name: file-a\n"})
    git = {"repoURL": repo.http_url, "revision": "HEAD", "files": [{"path": "teams/*.yaml"}]}
    application_set(world, "files", [{"git": git}], repo.http_url)
    world.becomes("file-a")
    repo.write({"teams/b.yaml": "name: file-b\n"})
    repo.commit("another team")
    repo.push()
    world.engine.gitops("app", "refresh", "file-a")
    world.becomes("file-b")


def test_a_push_reaches_the_sets_that_read_the_repository(world: World, small: dict[str, str]) -> None:
    repo = world.repo({**small, "teams/a.yaml": "name: pushed-a\n"})
    git = {"repoURL": repo.http_url, "revision": "HEAD", "files": [{"path": "teams/*.yaml"}]}
    application_set(world, "pushed", [{"git": git}], world.repo(small).http_url)
    world.becomes("pushed-a")
    repo.write({"teams/b.yaml": "name: pushed-b\n"})
    sha = repo.commit("another team")
    repo.push()
    web = web_backend(world)
    push = Push((repo.http_url,), "main", default_branch=True, after=sha, files=frozenset({"teams/b.yaml"}))
    (found,) = touched(push, web.watched())
    assert found == "appset:argocd/pushed"
    web.enqueue(found, "a push")
    world.becomes("pushed-b")


@pytest.fixture
def apart(world: World) -> Iterator[ControlPlane]:
    """Another cluster: two engines on one would both look after its Applications."""
    with ControlPlane(controllers=False) as cluster:
        yield cluster


POLLING = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http", "GITOPS_POLL_INTERVAL": "2"}


def test_a_commit_arrives_by_the_interval_alone(world: World, apart: ControlPlane, small: dict[str, str]) -> None:
    client = ClusterClient(Connection.from_kubeconfig(apart.kubeconfig))
    install(client, "argocd", custom_resources())
    repo = world.repo({"app/settings.yaml": small["app/settings.yaml"], "teams/a.yaml": "name: polled-a\n"})
    git = {"repoURL": repo.http_url, "revision": "HEAD", "files": [{"path": "teams/*.yaml"}]}
    with Engine(apart.kubeconfig, world.redis.url_of(61), workers=1, env=POLLING) as engine:
        there = World(client, engine, world.git, apart, world.redis)
        # The Applications read another repository, so that nobody but the ApplicationSet looks at this one.
        application_set(there, "polled", [{"git": git}], world.repo(small).http_url, path="elsewhere")
        eventually(lambda: there.app("polled-a"), "the first", context=there.logs)
        repo.write({"teams/b.yaml": "name: polled-b\n"})
        repo.commit("another team")
        repo.push()
        eventually(lambda: there.app("polled-b"), "the second", context=there.logs)


def test_a_cluster_without_the_kind_is_served_all_the_same(
    world: World, apart: ControlPlane, small: dict[str, str]
) -> None:
    client = ClusterClient(Connection.from_kubeconfig(apart.kubeconfig))
    kept = [crd for crd in custom_resources() if crd["spec"]["names"]["kind"] != "ApplicationSet"]  # type: ignore[index]
    for crd in kept:
        client.apply(Manifest.of(crd))
    client.apply(Manifest.of({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}))
    eventually(lambda: served(client, "Application") and served(client, "AppProject"), "the kinds")
    assert not served(client, "ApplicationSet")
    repo = world.repo({"app/settings.yaml": small["app/settings.yaml"]})
    with Engine(apart.kubeconfig, world.redis.url_of(62), workers=1, env=POLLING) as engine:
        there = World(client, engine, world.git, apart, world.redis)
        there.application("alone", repo.http_url)
        there.becomes("alone")
        assert web_backend(there).watched()
        assert "ERROR" not in there.logs()


def served(client: ClusterClient, kind: str) -> bool:
    client.discovery.invalidate()
    try:
        return next(client.list(GVK("argoproj.io", "v1alpha1", kind)), None) is None
    except ClusterError:
        return False


def web_backend(world: World) -> Backend:
    """What `gitops web` works with, over this engine's Redis."""
    env = world.engine.env
    state = State(Settings(redis_url=env["GITOPS_REDIS_URL"], seal_key=env["GITOPS_SEAL_KEY"]))
    return Backend(state, world.client, "argocd")


def test_clusters_are_known_by_their_secrets_labels(world: World, small: dict[str, str]) -> None:
    generator = {"clusters": {"selector": {"matchLabels": {"tier": "gold"}}}}
    application_set(world, "clusters", [generator], world.repo(small).http_url)
    eventually(lambda: condition(world, "clusters", "ParametersGenerated")[0] == "True", "the first look")
    assert owned(world, "clusters") == set()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "golden",
            "namespace": "argocd",
            "labels": {"argocd.argoproj.io/secret-type": "cluster", "tier": "gold"},
        },
        "stringData": {"name": "golden", "server": "https://192.0.2.1", "config": "{}"},
    }
    world.client.apply(Manifest.of(secret))
    try:
        becomes_owner(world, "clusters", "golden")
    finally:
        world.client.delete(ObjectKey("", "Secret", "argocd", "golden"))
    eventually(lambda: not world.app("golden"), "the cluster's Application to go", context=world.logs)


def test_an_error_is_told_and_nothing_is_changed(world: World, small: dict[str, str]) -> None:
    url = world.repo(small).http_url
    application_set(world, "errs", listed("errs-a", "errs-b"), url)
    world.becomes("errs-a")
    before = {name: world.app(name)["metadata"]["generation"] for name in ("errs-a", "errs-b")}
    application_set(world, "errs", listed("errs-a", "errs-a"), url, path="elsewhere")
    eventually(lambda: condition(world, "errs", "ErrorOccurred")[0] == "True", "ErrorOccurred", context=world.logs)
    assert "errs-a more than once" in condition(world, "errs", "ErrorOccurred")[1]
    assert condition(world, "errs", "ResourcesUpToDate")[0] == "False"
    assert owned(world, "errs") == set(before)
    assert world.app("errs-a")["spec"]["source"]["path"] == "app"
    assert "deletionTimestamp" not in world.app("errs-b")["metadata"]
    application_set(world, "errs", listed("errs-a"), url)
    eventually(lambda: not world.app("errs-b"), "the next good spec's effect", context=world.logs)
    eventually(lambda: condition(world, "errs", "ErrorOccurred")[0] == "False", "the end of the error")


@pytest.mark.parametrize(("project", "name"), [("closed", "denied"), ("{{name}}", "denied-templated")])
def test_a_repository_outside_of_the_project_is_not_read(
    world: World, small: dict[str, str], project: str, name: str
) -> None:
    repo = world.repo({**small, "teams/a.yaml": "name: never\n"})
    for closed in ("closed", "default"):
        world.client.apply(Manifest.of(project_of(closed, ["https://elsewhere.example/*"])))
    try:
        git = {"repoURL": repo.http_url, "revision": "HEAD", "files": [{"path": "teams/*.yaml"}]}
        application_set(world, name, [{"git": git}], repo.http_url, project=project)
        # A set that is quicker than the news of its project says first that there is no such project.
        eventually(
            lambda: "not permitted in project" in condition(world, name, "ErrorOccurred")[1],
            "the denial",
            context=world.logs,
        )
        assert condition(world, name, "ErrorOccurred")[0] == "True"
        assert owned(world, name) == set()
    finally:
        world.client.delete(ObjectKey("argoproj.io", "AppProject", "argocd", "default"))


def project_of(name: str, repositories: list[str]) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"sourceRepos": repositories, "destinations": [{"server": "*", "namespace": "*"}]},
    }


def test_an_application_of_another_set_is_left_alone(world: World, small: dict[str, str]) -> None:
    url = world.repo(small).http_url
    application_set(world, "owner", listed("theirs"), url)
    world.becomes("theirs")
    application_set(world, "taker", listed("theirs"), url, path="elsewhere")
    eventually(lambda: condition(world, "taker", "ErrorOccurred")[0] == "True", "the refusal", context=world.logs)
    assert "theirs belongs to another" in condition(world, "taker", "ErrorOccurred")[1]
    assert world.app("theirs")["spec"]["source"]["path"] == "app"


def test_a_deleted_set_takes_its_applications_along_unless_its_policy_keeps_them(
    world: World, small: dict[str, str]
) -> None:
    url = world.repo(small).http_url
    application_set(world, "ends", listed("ended"), url)
    application_set(world, "leaves", listed("left"), url, syncPolicy={"applicationsSync": "create-update"})
    finalizers = {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}}
    world.client.merge_patch(set_key("leaves"), finalizers)
    world.becomes("ended")
    world.becomes("left")
    for name in ("ends", "leaves"):
        world.client.delete(set_key(name), propagation="Background")
    eventually(lambda: world.client.get(set_key("leaves")) is None, "the set's end", context=world.logs)
    eventually(lambda: not world.app("ended"), "the Application's end", context=world.logs)
    assert world.live("ConfigMap", "ended", "settings") is None
    assert not world.app("left")["metadata"].get("ownerReferences")
    assert "deletionTimestamp" not in world.app("left")["metadata"]


def test_an_application_that_holds_applications(world: World, small: dict[str, str]) -> None:
    leaf = world.repo(small)

    def child(name: str) -> str:
        return yaml.safe_dump(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {
                    "name": name,
                    "namespace": "argocd",
                    "finalizers": ["resources-finalizer.argocd.argoproj.io"],
                },
                "spec": {
                    "project": "default",
                    "source": {"repoURL": leaf.http_url, "path": "app", "targetRevision": "HEAD"},
                    "destination": {"server": IN_CLUSTER, "namespace": name},
                    "syncPolicy": {"automated": {}, "syncOptions": ["CreateNamespace=true"]},
                },
            }
        )

    root = world.repo({"app/one.yaml": child("leaf-one"), "app/two.yaml": child("leaf-two")})
    world.application("root", root.http_url)
    world.becomes("root")
    world.becomes("leaf-one")
    world.becomes("leaf-two")
    tracking = world.app("leaf-one")["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]
    assert tracking == "root:argoproj.io/Application:argocd/leaf-one"
    root.delete("app/two.yaml")
    root.commit("one fewer")
    root.push()
    world.engine.gitops("app", "refresh", "root")
    eventually(lambda: not world.app("leaf-two"), "the pruned Application's end", context=world.logs)
    assert world.live("ConfigMap", "leaf-two", "settings") is None
    world.becomes("root")
