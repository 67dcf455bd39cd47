"""Fixtures for all tests: real parts, started when a test first asks for them.

    control_plane   testbed.controlplane.ControlPlane   one a session, shared
    namespace       str                                 a fresh namespace of control_plane, deleted after the test
    redis_server    testbed.redis.RedisServer           one a session, shared
    redis_url       str                                 an empty database of redis_server
    git_server      testbed.gitserver.GitServer         one a session, shared: http, ssh and file
    conformance     Path                                test data by others; skips where there is none

A test that stops or breaks a part starts its own: `with ControlPlane() as cluster:`, `with RedisServer() as redis:`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import build
from testbed.controlplane import ControlPlane
from testbed.gitserver import GitServer
from testbed.redis import RedisServer

ROOT = Path(__file__).parents[1]


def _skip_or_fail(error: build.BuildError) -> None:
    """Without Go a developer's run skips what needs it; CI never does, and any other failure is a failure."""
    if isinstance(error, build.GoMissingError) and not os.environ.get("CI"):
        pytest.skip(str(error))
    pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """The session's control plane, with controllers and two nodes."""
    try:
        cluster = ControlPlane()
    except build.BuildError as error:
        _skip_or_fail(error)
        raise
    with cluster:
        yield cluster


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of its own for this test; its deletion is asked for and not waited for."""
    name = control_plane.create_namespace(f"test-{secrets.token_hex(4)}")
    yield name
    control_plane.api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The session's Redis."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> Iterator[str]:
    """The URL of a database that nobody else uses at this time, emptied."""
    with redis_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def git_server() -> Iterator[GitServer]:
    """The session's Git server."""
    try:
        server = GitServer()
    except build.BuildError as error:
        _skip_or_fail(error)
        raise
    with server:
        yield server


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder with test data by others: $GITOPS_CONFORMANCE, else ../shared/conformance beside the repository."""
    folder = Path(os.environ.get("GITOPS_CONFORMANCE") or ROOT.parent / "shared" / "conformance")
    if not folder.is_dir():
        pytest.skip(f"no conformance data at {folder}; set GITOPS_CONFORMANCE")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show what the parts last logged below a test that failed with them."""
    report = yield
    if report.failed:
        for part in getattr(item, "funcargs", {}).values():
            if isinstance(part, ControlPlane):
                for component in part.components:
                    report.sections.append((f"{component} last said", part.log_tail(component, 15)))
            elif isinstance(part, RedisServer):
                report.sections.append(("redis last said", part.log_tail()))
    return report
