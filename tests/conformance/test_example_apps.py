"""The example applications, from a Git server into a real cluster, to Healthy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitrepo import GitRepo
from testbed.gitserver import GitServer
from testbed.redis import RedisServer
from testbed.world import World

#: Not synced here: an app of apps that points at other servers, a kind whose operator is not in the testbed, and a
#: chart whose dependency lies on a server that tests may not reach.
ELSEWHERE = {"apps", "blue-green", "helm-dependency"}


@pytest.fixture(scope="module")
def world(control_plane: ControlPlane, git_server: GitServer) -> Iterator[World]:
    client = ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig))
    install(client, "argocd", custom_resources())
    env = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http", "GITOPS_WAVE_DELAY": "0"}
    with RedisServer() as redis, Engine(control_plane.kubeconfig, redis.url, workers=2, env=env) as engine:
        yield World(client, engine, git_server, control_plane, redis)


@pytest.fixture(scope="module")
def examples(world: World, conformance: Path) -> GitRepo:
    repo = world.git.create("others/example-apps")
    repo.from_directory(conformance / "example-apps")
    repo.commit("as they are")
    repo.push()
    return repo


def test_guestbook_by_hand(world: World, examples: GitRepo) -> None:
    world.application(
        "guestbook", examples.http_url, path="guestbook", syncPolicy={"syncOptions": ["CreateNamespace=true"]}
    )
    world.becomes("guestbook", sync="OutOfSync", health="Missing")
    said = world.engine.gitops("app", "sync", "guestbook")
    assert "Succeeded" in said
    world.becomes("guestbook")


def test_the_whole_fleet(world: World, examples: GitRepo, conformance: Path) -> None:
    folders = sorted(p.name for p in (conformance / "example-apps").iterdir() if p.is_dir() and p.name not in ELSEWHERE)
    for folder in folders:
        world.application(f"fleet-{folder}", examples.http_url, path=folder)
    for folder in folders:
        world.becomes(f"fleet-{folder}", timeout=120)
