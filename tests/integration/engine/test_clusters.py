"""A second control plane as the destination, by cluster Secret (specs section 10): sync, heal, prune, deletion."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import Manifest, ObjectKey
from testbed.controlplane import ControlPlane
from testbed.world import World, eventually


@pytest.fixture(scope="module")
def there() -> Iterator[ControlPlane]:
    """The other cluster."""
    with ControlPlane(nodes=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def far(there: ControlPlane) -> ClusterClient:
    return ClusterClient(Connection.from_kubeconfig(there.kubeconfig))


def enrol(world: World, there: ControlPlane, token: str) -> None:
    """Write the cluster Secret, as `argocd cluster add` does."""
    ca = base64.b64encode(there.ca_file.read_bytes()).decode()
    config = {"bearerToken": token, "tlsClientConfig": {"insecure": False, "caData": ca}}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "cluster-oslo",
            "namespace": "argocd",
            "labels": {"argocd.argoproj.io/secret-type": "cluster"},
        },
        "type": "Opaque",
        "stringData": {"name": "oslo", "server": there.server, "config": json.dumps(config)},
    }
    world.client.apply(Manifest.of(secret))


@pytest.mark.parametrize("by", ["server", "name"])
def test_what_is_in_git_is_what_runs_on_the_other_cluster(
    world: World, there: ControlPlane, far: ClusterClient, small: dict[str, str], by: str
) -> None:
    enrol(world, there, there.token)
    name = f"far-by-{by}"
    destination = {"namespace": name, by: there.server if by == "server" else "oslo"}
    repo = world.repo(small)
    world.application(name, repo.http_url, destination=destination)
    world.becomes(name)
    settings, web = ObjectKey("", "ConfigMap", name, "settings"), ObjectKey("apps", "Deployment", name, "web")
    assert (far.get(settings) or {})["data"] == {"colour": "blue"}
    assert far.get(web)
    assert world.client.get(settings) is None, "nothing is made on the cluster of the control plane"

    # Self-heal by the watch: the poll interval is minutes.
    far.merge_patch(settings, {"data": {"colour": "red"}}, field_manager="a-person")
    eventually(lambda: (far.get(settings) or {})["data"] == {"colour": "blue"}, "the healed ConfigMap", 15, world.logs)

    repo.delete("app/settings.yaml")
    sha = repo.commit("second")
    repo.push()
    world.engine.gitops("app", "refresh", name)
    eventually(lambda: world.app(name)["status"]["sync"]["revision"] == sha, "the new revision")
    eventually(lambda: far.get(settings) is None, "the pruned ConfigMap", context=world.logs)
    world.becomes(name)

    world.engine.gitops("app", "delete", name)
    key = ObjectKey("argoproj.io", "Application", "argocd", name)
    eventually(lambda: world.client.get(key) is None, "the Application's end", context=world.logs)
    assert far.get(web) is None


def test_a_cluster_secret_that_is_changed_is_used_as_it_is_now(
    world: World, there: ControlPlane, far: ClusterClient, small: dict[str, str]
) -> None:
    enrol(world, there, "expired")
    world.application("renewed", world.repo(small).http_url, destination={"namespace": "renewed", "name": "oslo"})
    said = world.condition("renewed", "ComparisonError")
    assert "expired" not in said
    enrol(world, there, there.token)
    world.becomes("renewed")
    settings = ObjectKey("", "ConfigMap", "renewed", "settings")
    far.merge_patch(settings, {"data": {"colour": "red"}}, field_manager="a-person")
    eventually(lambda: (far.get(settings) or {})["data"] == {"colour": "blue"}, "the healed ConfigMap", 30, world.logs)


def test_a_destination_that_is_no_cluster_is_one_sentence(world: World, small: dict[str, str]) -> None:
    world.application("nowhere", world.repo(small).http_url, destination={"namespace": "x", "name": "atlantis"})
    assert "no cluster 'atlantis' is known" in world.condition("nowhere", "InvalidSpecError")
