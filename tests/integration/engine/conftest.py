"""The whole engine: real control plane, Redis, Git server, beat and workers as processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitserver import GitServer
from testbed.redis import RedisServer
from testbed.world import World

# Helpers that several modules of this folder use.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def prepared(control_plane: ControlPlane) -> ClusterClient:
    """The session's cluster with our CRDs."""
    client = ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig))
    install(client, "argocd", custom_resources())
    return client


@pytest.fixture(scope="session")
def world(
    prepared: ClusterClient, control_plane: ControlPlane, redis_server: RedisServer, git_server: GitServer
) -> Iterator[World]:
    """The session's engine: one beat, two workers."""
    # The repositories of gitlab.com are this test's own server.
    config = git_server.directory / "gitconfig"
    config.write_text(f'[url "{git_server.ssh_url}/"]\n\tinsteadOf = git@gitlab.com:\n')
    env = {
        "GITOPS_REPO_PROTOCOLS": "https,ssh,http",
        "GITOPS_GIT_CONFIG_FILE": str(config),
        "GITOPS_ORPHANS_INTERVAL": "1",
    }
    with (
        redis_server.database() as redis_url,
        Engine(control_plane.kubeconfig, redis_url, workers=2, env=env) as engine,
    ):
        yield World(prepared, engine, git_server, control_plane, redis_server)


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web:1}]}
"""
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""


@pytest.fixture
def small() -> dict[str, str]:
    """A Deployment and a ConfigMap."""
    return {"app/deployment.yaml": DEPLOYMENT, "app/settings.yaml": SETTINGS}
