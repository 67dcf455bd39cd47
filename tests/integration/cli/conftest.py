"""`gitops up` over the session's own cluster and Redis, both named, with a Git server beside."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.cluster import ClusterClient, Connection
from testbed.controlplane import ControlPlane
from testbed.gitserver import GitServer
from testbed.redis import RedisServer

# Helpers that the modules of this folder use.
sys.path.insert(0, str(Path(__file__).parent))

import terminal


@pytest.fixture(scope="module")
def up(
    control_plane: ControlPlane,
    redis_server: RedisServer,
    git_server: GitServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[terminal.Up]:
    said = tmp_path_factory.mktemp("up") / "said"
    with redis_server.database() as redis_url:
        named = ["--kubeconfig", str(control_plane.kubeconfig), "--redis", redis_url]
        process = terminal.start(said, *named, "--workers", "1", "--namespace", terminal.NAMESPACE)
        try:
            terminal.runs(process, said)
            yield terminal.Up(
                process, said, ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig)), git_server
            )
        finally:
            assert terminal.end(process) == 0, said.read_text()
