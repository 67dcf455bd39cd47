"""The containers as a restricted pod has them: another user, no capability, a root that nobody can write to.

Over a Redis that is reached by TLS, as an ACL user that sees the engine's own keys alone.
"""

from __future__ import annotations

import httpx
import pytest
from redis import Redis

from testbed import pods
from testbed.confine import UID
from testbed.world import eventually

pytestmark = pytest.mark.cluster

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: blue}\n"
CHART = {
    "app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n",
    "app/templates/settings.yaml": SETTINGS.replace("blue", "{{ .Values.colour }}"),
    "app/values.yaml": "colour: green\n",
}
KUSTOMIZATION = {"app/kustomization.yaml": "resources: [settings.yaml]\n", "app/settings.yaml": SETTINGS}
#: What a render of each kind needs of the image differs.
SOURCES = {"plain": {"app/settings.yaml": SETTINGS}, "helm": CHART, "kustomize": KUSTOMIZATION}
COMPONENTS = ("beat", "worker-default", "web", "flower")


@pytest.fixture(scope="module")
def release(install):
    if not pods.can_confine():
        pytest.skip("only root can give a process another user and a root of its own")
    found = install(
        {"flower": {"persistence": {"enabled": False}}},
        namespaces=tuple(f"restricted-{name}" for name in SOURCES),
        external={"caSecret": "redis-ca", "username": "engine", "database": 3},
    )
    for component in COMPONENTS:
        found.start(component, confined=True)
    return found


@pytest.fixture(params=COMPONENTS)
def pod(request, release):
    return release.pods.pods[COMPONENTS.index(request.param)]


def test_it_has_no_rights_beyond_the_standard(release, pod):
    said = release.pods.run(pod, ["cat", "/proc/self/status"]).stdout
    status = dict(line.split(":\t", 1) for line in said.splitlines())
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(UID)}
    assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("path", ["/x", "/etc/x", "/usr/x", "/etc/redis-ca/x"])
def test_its_root_cannot_be_written_to(release, pod, path):
    assert "Read-only file system" in release.pods.run(pod, ["touch", path]).stderr


def test_its_volumes_can_be_written_to(release, pod):
    assert release.pods.run(pod, ["touch", "/tmp/a-file-of-the-test", "/data/a-file-of-the-test"]).returncode == 0


def test_only_what_speaks_to_the_cluster_holds_a_token(release, pod):
    there = release.pods.run(pod, ["test", "-r", "/var/run/secrets/kubernetes.io/serviceaccount/token"]).returncode == 0
    assert there is ("flower" not in pod.name)


@pytest.mark.parametrize("name", SOURCES)
def test_an_application_is_synced(release, chart_git, name):
    repo = chart_git.create(f"restricted-{name}")
    repo.publish(SOURCES[name], "first")
    release.application(f"restricted-{name}", repo.http_url, f"restricted-{name}")
    release.becomes(f"restricted-{name}")


def test_the_probes_are_satisfied(release, pod):
    eventually(lambda: release.pods.probe(pod, "livenessProbe"), "the probe", context=release.pods.logs)


def test_flower_sees_the_worker(release):
    flower = release.pods.pods[COMPONENTS.index("flower")]
    user, _, password = release.secret("flower-basic-auth").partition(":")
    assert httpx.get(flower.url("/api/workers", "http")).status_code == 401

    def workers():
        answer = httpx.get(flower.url("/api/workers?refresh=1", "http"), auth=(user, password), timeout=20)
        return "default@" in answer.text

    eventually(workers, "the worker in Flower", context=release.pods.logs)


def test_redis_holds_nothing_beside_the_prefix(release):
    """Which is what lets an ACL user of little rights run it all."""
    admin = Redis(port=release.redis.port, db=3, password=release.secret("redis-password"))
    keys = {key.decode() for key in admin.scan_iter(count=1000)}
    assert keys
    assert {key for key in keys if not key.startswith("gitops:")} == set()
    names = [entry["client-info"] for entry in admin.acl_log() if entry["username"] == "engine"]
    assert names == [], "the server refused nothing"
