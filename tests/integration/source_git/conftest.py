"""A Git server that asks for credentials, by https and ssh, and mirrors in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access import Bounds
from gitops.source.git import Mirrors
from testbed import build
from testbed.gitserver import GitServer

USER, PASSWORD = "deploy", "pa55-w0rd:@/%secret"
ANY = Bounds(protocols=frozenset({"https", "http", "ssh", "file"}), command_seconds=30)

MakeMirrors = Callable[..., Mirrors]


@pytest.fixture(scope="session")
def locked() -> Iterator[GitServer]:
    """https with basic authentication, and ssh with a key."""
    try:
        server = GitServer(username=USER, password=PASSWORD, tls=True)
    except build.GoMissingError as error:
        pytest.skip(str(error))
    with server:
        server.create("team/app").publish({"apps/web/deploy.yaml": "kind: Deployment\n"}, "first")
        yield server


@pytest.fixture
def plain(git_server: GitServer, request: pytest.FixtureRequest) -> Iterator:
    """A new repository on the shared server, without credentials."""
    name = f"git/{request.node.name[:40].replace('[', '-').replace(']', '')}"
    yield git_server.create(name)
    git_server.remove(name)


@pytest.fixture
def make(tmp_path: Path) -> MakeMirrors:
    """Mirrors below the test's folder."""

    def make_mirrors(
        *repositories: Repository, bounds: Bounds = ANY, allowed=None, root: str = "git", **config
    ) -> Mirrors:
        found = RepositoryConfig(repositories=repositories, **config)
        return Mirrors(tmp_path / root, found, bounds=bounds, allowed=allowed)

    return make_mirrors
