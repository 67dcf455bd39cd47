"""A second control plane as the destination, by cluster Secret (specs section 10): sync, heal, prune, deletion."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import Manifest, Object, ObjectKey
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


def authority(there: ControlPlane) -> str:
    """caData of a cluster Secret."""
    return base64.b64encode(there.ca_file.read_bytes()).decode()


def enrol(world: World, there: ControlPlane, token: str) -> None:
    """Write the cluster Secret, as `argocd cluster add` does."""
    config = {"bearerToken": token, "tlsClientConfig": {"insecure": False, "caData": authority(there)}}
    enrol_as(world, "oslo", there.server, config)


def enrol_as(world: World, name: str, server: str, config: dict[str, Any]) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"cluster-{name}",
            "namespace": "argocd",
            "labels": {"argocd.argoproj.io/secret-type": "cluster"},
        },
        "type": "Opaque",
        "stringData": {"name": name, "server": server, "config": json.dumps(config)},
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


def test_an_application_that_moves_is_made_where_it_is_now(
    world: World, there: ControlPlane, far: ClusterClient, small: dict[str, str]
) -> None:
    enrol(world, there, there.token)
    url = world.repo(small).http_url
    settings = ObjectKey("", "ConfigMap", "moves", "settings")
    away = {"namespace": "moves", "name": "oslo"}
    world.application("moves", url, destination=away)
    world.becomes("moves")

    # What runs on the one cluster says nothing of the other, and its watch goes on to tell of it.
    world.application("moves", url)
    eventually(lambda: world.client.get(settings), "the ConfigMap on this cluster", context=world.logs)
    world.becomes("moves")
    world.client.merge_patch(settings, {"data": {"colour": "red"}}, field_manager="a-person")
    eventually(lambda: (world.client.get(settings) or {})["data"] == {"colour": "blue"}, "its heal", context=world.logs)
    assert far.get(settings), "what was left there is nobody's to delete"

    # Nor is what was known before of the one that it comes back to.
    far.delete(settings)
    eventually(lambda: far.get(settings) is None, "the end of what was left there")
    world.application("moves", url, destination=away)
    eventually(lambda: far.get(settings), "the ConfigMap on the other cluster", context=world.logs)


def test_a_destination_that_is_no_cluster_is_one_sentence(world: World, small: dict[str, str]) -> None:
    world.application("nowhere", world.repo(small).http_url, destination={"namespace": "x", "name": "atlantis"})
    assert "no cluster 'atlantis' is known" in world.condition("nowhere", "InvalidSpecError")


@pytest.fixture
def certificate(there: ControlPlane) -> dict[str, str]:
    """certData and keyData of a user that the other cluster's authority vouches for, bound to cluster-admin."""
    user = yaml.safe_load(there.kubeconfig_for("fleet").read_text())["users"][0]["user"]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "fleet"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "fleet"}],
    }
    there.api.apply("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/fleet", binding)
    files = {"certData": "client-certificate", "keyData": "client-key"}
    return {name: base64.b64encode(Path(user[file]).read_bytes()).decode() for name, file in files.items()}


@pytest.mark.parametrize("checks", ["the authority", "nothing", "another name"])
def test_a_client_certificate_opens_the_other_cluster(
    world: World,
    there: ControlPlane,
    far: ClusterClient,
    small: dict[str, str],
    certificate: dict[str, str],
    checks: str,
) -> None:
    """Sync, and heal by the watch, as the certificate's user; the server is checked as the Secret says."""
    tls: dict[str, Any] = dict(certificate)
    if checks == "nothing":
        tls["insecure"] = True
    else:
        tls["caData"] = authority(there)
    if checks == "another name":
        tls["serverName"] = "kubernetes.default.svc"
    name = {"the authority": "by-ca", "nothing": "by-trust", "another name": "by-name"}[checks]
    enrol_as(world, "oslo", there.server, {"tlsClientConfig": tls})
    since = there.audit.mark()
    world.application(name, world.repo(small).http_url, destination={"namespace": name, "name": "oslo"})
    world.becomes(name)
    assert {event["user"]["username"] for event in writes(there, since, name)} == {"fleet"}
    settings = ObjectKey("", "ConfigMap", name, "settings")
    far.merge_patch(settings, {"data": {"colour": "red"}}, field_manager="a-person")
    eventually(lambda: (far.get(settings) or {})["data"] == {"colour": "blue"}, "the healed ConfigMap", 30, world.logs)


def writes(there: ControlPlane, since: int, namespace: str) -> list[Object]:
    """The writes of what Git names in a namespace of the other cluster."""
    found = there.audit.events(since, verb="patch")
    return [
        event
        for event in found
        if event["objectRef"].get("namespace") == namespace
        and event["objectRef"]["resource"] in ("configmaps", "deployments")
        and event["userAgent"].startswith("gitops")
    ]


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"awsAuthConfig": {"clusterName": "x"}}, "awsAuthConfig is not supported; use execProviderConfig"),
        ({"execProviderConfig": {"command": "no-such-plugin"}}, "the exec plugin"),
        ({"tlsClientConfig": {"serverName": "elsewhere.example"}}, "certificate"),
        ({"tlsClientConfig": {"insecure": True, "caData": "YQ=="}}, "tlsClientConfig has both insecure and caData"),
        ({"username": "ola", "password": "hunter2"}, 'User "system:anonymous" cannot'),
    ],
)
def test_a_cluster_secret_that_cannot_be_used_is_one_sentence(
    world: World, there: ControlPlane, small: dict[str, str], config: dict[str, Any], sentence: str
) -> None:
    """Kubernetes has no basic auth since 1.19: a password is sent, for what stands before an API server."""
    tls = {"caData": authority(there), **config.get("tlsClientConfig", {})}
    enrol_as(world, "bergen", there.server.replace("127.0.0.1", "localhost"), {**config, "tlsClientConfig": tls})
    name = f"shut-{zlib.crc32(sentence.encode()):x}"
    world.application(name, world.repo(small).http_url, destination={"namespace": name, "name": "bergen"})

    def said() -> str:
        found = (world.app(name).get("status") or {}).get("conditions") or []
        return " ".join(str(c["message"]) for c in found)

    eventually(lambda: sentence in said(), f"{sentence!r} in the conditions", context=lambda: said() + world.logs())
    assert "hunter2" not in said() + world.logs()
    assert "Traceback" not in world.logs()
