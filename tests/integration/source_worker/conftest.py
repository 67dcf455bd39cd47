"""An engine of real processes that looks at its repositories every few seconds, over a cluster of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitserver import GitServer
from testbed.redis import RedisServer
from testbed.world import World

INTERVAL = 6.0


@pytest.fixture(scope="session")
def world(git_server: GitServer) -> Iterator[World]:
    """One worker of two processes; renders get ten seconds and little memory.

    Nobody else looks at its Applications: what their conditions say is said by an engine with these bounds.
    """
    env = {
        "GITOPS_REPO_PROTOCOLS": "https,ssh,http",
        "GITOPS_POLL_INTERVAL": str(INTERVAL),
        "GITOPS_SANDBOX": "required",
        "GITOPS_RENDER_SECONDS": "10",
        "GITOPS_RENDER_MEMORY_MIB": "192",
        "GITOPS_RENDER_OBJECTS": "5000",
    }
    with ControlPlane(nodes=1) as cluster, RedisServer() as redis:
        client = ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig))
        install(client, "argocd", custom_resources())
        with Engine(cluster.kubeconfig, redis.url, workers=1, env=env) as engine:
            yield World(client, engine, git_server, cluster, redis)
