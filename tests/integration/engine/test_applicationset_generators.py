"""What ApplicationSets read: repositories by every way in which news of a commit arrives, and cluster Secrets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from appsets import (
    application_set,
    becomes_owner,
    condition,
    owned,
    project_of,
    set_key,
    web_backend,
)

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from gitops.errors import ClusterError
from gitops.model.objects import GVK, Manifest, ObjectKey
from gitops.web.matching import touched
from gitops.web.providers import Push
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.world import World, eventually


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
    web.enqueue([found], "a push")
    world.becomes("pushed-b")


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


@pytest.fixture
def apart(world: World) -> Iterator[ControlPlane]:
    """Another cluster: two engines on one would both look after its Applications."""
    with ControlPlane(controllers=False) as cluster:
        yield cluster


POLLING = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http", "GITOPS_POLL_INTERVAL": "2"}


def test_a_commit_arrives_by_the_interval_alone(
    world: World, apart: ControlPlane, redis_url: str, small: dict[str, str]
) -> None:
    client = ClusterClient(Connection.from_kubeconfig(apart.kubeconfig))
    install(client, "argocd", custom_resources())
    repo = world.repo({"app/settings.yaml": small["app/settings.yaml"], "teams/a.yaml": "name: polled-a\n"})
    git = {"repoURL": repo.http_url, "revision": "HEAD", "files": [{"path": "teams/*.yaml"}]}
    with Engine(apart.kubeconfig, redis_url, workers=1, env=POLLING) as engine:
        there = World(client, engine, world.git, apart, world.redis)
        # The Applications read another repository, so that nobody but the ApplicationSet looks at this one.
        application_set(there, "polled", [{"git": git}], world.repo(small).http_url, path="elsewhere")
        eventually(lambda: there.app("polled-a"), "the first", context=there.logs)
        repo.write({"teams/b.yaml": "name: polled-b\n"})
        repo.commit("another team")
        repo.push()
        eventually(lambda: there.app("polled-b"), "the second", context=there.logs)


def test_a_cluster_without_the_kind_is_served_all_the_same(
    world: World, apart: ControlPlane, redis_url: str, small: dict[str, str]
) -> None:
    client = ClusterClient(Connection.from_kubeconfig(apart.kubeconfig))
    kept = [crd for crd in custom_resources() if crd["spec"]["names"]["kind"] != "ApplicationSet"]  # type: ignore[index]
    for crd in kept:
        client.apply(Manifest.of(crd))
    client.apply(Manifest.of({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}))
    eventually(lambda: served(client, "Application") and served(client, "AppProject"), "the kinds")
    assert not served(client, "ApplicationSet")
    repo = world.repo({"app/settings.yaml": small["app/settings.yaml"]})
    with Engine(apart.kubeconfig, redis_url, workers=1, env=POLLING) as engine:
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
