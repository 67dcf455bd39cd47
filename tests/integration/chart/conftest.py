"""The chart installed on a control plane of its own, and its containers run as processes with its rights.

Other tests' engines follow every Application of the session's control plane, so these tests have another.
"""

from __future__ import annotations

import base64
import importlib.util
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis

from gitops.cli.local import install as install_crds
from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import Manifest, Object, ObjectKey
from testbed import build
from testbed.controlplane import ControlPlane
from testbed.engine import custom_resources
from testbed.gitserver import GitServer
from testbed.pods import Pod, Pods
from testbed.redis import RedisServer
from testbed.tlsfront import TlsFront
from testbed.world import eventually

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("chart_rendering", ROOT / "tests/unit/chart/conftest.py")
assert _spec is not None
assert _spec.loader is not None
rendering = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(rendering)

#: Tests fetch from a server on the loopback without TLS, and wait for no poll.
SETTINGS = {"REPO_PROTOCOLS": "https,ssh,http", "LOG_FORMAT": "console", "WAVE_DELAY": 0}


@pytest.fixture(scope="session")
def chart_cluster() -> Iterator[ControlPlane]:
    """The control plane of the tests of the chart, with the chart's CRDs."""
    try:
        cluster = ControlPlane()
    except build.GoMissingError as error:
        pytest.skip(str(error))
    with cluster:
        install_crds(ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig)), "argocd", custom_resources())
        yield cluster


@dataclass
class Release:
    """The chart, installed: its objects on the API server, its containers ready to be started."""

    namespace: str
    name: str
    cluster: ControlPlane
    client: ClusterClient
    values: Object
    objects: list[Object]
    pods: Pods
    redis: RedisServer

    def start(self, component: str, env: dict[str, str] | None = None, **options: Any) -> Pod:
        """Start one pod of a component, such as "beat" or "worker-default", and wait for its startup probe."""
        return self.pods.ready(self.pods.start(f"{self.name}-{component}", env, **options))

    def secret(self, key: str) -> str:
        """A value of the Secret that the chart made."""
        found = self.client.get(ObjectKey("", "Secret", self.namespace, f"{self.name}-secrets"))
        assert found is not None
        return base64.b64decode(found["data"][key]).decode()

    def application(self, name: str, repo_url: str, destination: str, **spec: Any) -> Object:
        """Create an automated Application in the release's namespace."""
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "project": "default",
                "source": {"repoURL": repo_url, "path": "app", "targetRevision": "HEAD"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": destination},
                "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
                **spec,
            },
        }
        return self.client.apply(Manifest.of(body))

    def app(self, name: str) -> Object:
        return self.client.get(ObjectKey("argoproj.io", "Application", self.namespace, name)) or {}

    def status(self, name: str) -> tuple[str, str]:
        """(sync, health) of an Application."""
        status = self.app(name).get("status") or {}
        return (status.get("sync") or {}).get("status", ""), (status.get("health") or {}).get("status", "")

    def becomes(self, name: str, sync: str = "Synced", health: str = "Healthy", timeout: float = 60.0) -> Object:
        """Wait for a status; returns the Application."""
        eventually(
            lambda: self.status(name) == (sync, health),
            f"{name} {sync} and {health}",
            timeout,
            lambda: f"status: {self.app(name).get('status')}\n{self.pods.logs()}",
        )
        return self.app(name)


Install = Callable[..., Release]


@pytest.fixture(scope="module")
def install(chart_cluster: ControlPlane) -> Iterator[Install]:
    """Installs the chart: `install(values, namespaces=…, external=…)`, over a Redis of its own with its password.

    `secrets` are Secrets that are there before, by name; `external` adds to redis.external; with a `caSecret` in it,
    the Redis is reached by TLS alone.
    """
    client = ClusterClient(Connection.from_kubeconfig(chart_cluster.kubeconfig))
    with ExitStack() as stack:

        def install(values: Object | None = None, *, namespaces: tuple[str, ...] = (), **tune: Any) -> Release:
            name = f"chart-{secrets.token_hex(3)}"
            for namespace in (name, *namespaces):
                chart_cluster.create_namespace(namespace)
            redis = stack.enter_context(RedisServer())
            external = {"address": f"127.0.0.1:{redis.port}", **tune.pop("external", {})}
            if external.get("caSecret"):
                front = stack.enter_context(TlsFront(redis.port))
                external |= {"address": f"127.0.0.1:{front.port}", "tls": True}
                ca = ["--from-file", f"ca.crt={front.ca_file}"]
                chart_cluster.kubectl("create", "secret", "generic", external["caSecret"], "-n", name, *ca)
            for secret, pairs in tune.pop("secrets", {}).items():
                literals = [f"--from-literal={key}={value}" for key, value in pairs.items()]
                chart_cluster.kubectl("create", "secret", "generic", secret, "-n", name, *literals)
            given = {
                "fullnameOverride": name,
                "redis": {"internal": {"enabled": False}, "external": external},
                **(values or {}),
            }
            given["settings"] = SETTINGS | given.get("settings", {})
            objects = rendering.render_chart(given, namespace=name)
            for obj in objects:
                if not obj["kind"].startswith("Cluster"):
                    obj["metadata"].setdefault("namespace", name)
            chart_cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))
            pods = stack.enter_context(Pods(chart_cluster, name, objects))
            release = Release(name, name, chart_cluster, client, given, objects, pods, redis)
            password(redis, release.secret("redis-password"), external.get("username", "default"))
            return release

        yield install


def password(redis: RedisServer, word: str, user: str) -> None:
    """Close the Redis to all but the password; a user that is not `default` sees the keys of the engine alone."""
    admin = Redis(port=redis.port)
    if user != "default":
        admin.acl_setuser(
            user,
            enabled=True,
            passwords=[f"+{word}"],
            keys=["gitops:*"],
            channels=["*"],
            commands=["+@all", "-@admin", "-@dangerous", "+info"],
        )
    admin.acl_setuser("default", enabled=True, reset_passwords=True, passwords=[f"+{word}"], commands=["+@all"])


@pytest.fixture(scope="session")
def chart_git() -> Iterator[GitServer]:
    """A Git server for the tests of the chart, over HTTP."""
    with GitServer(ssh=False) as server:
        yield server


@pytest.fixture(scope="session")
def render() -> Callable[..., list[Object]]:
    """render(values, namespace=…): the chart's objects."""
    rendered: Callable[..., list[Object]] = rendering.render_chart
    return rendered
