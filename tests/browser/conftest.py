"""Chromium before the whole engine: Flower and the status page as people see them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from testbed.controlplane import ControlPlane
from testbed.engine import ROOT, Engine, custom_resources
from testbed.gitserver import GitServer
from testbed.processes import free_port
from testbed.redis import RedisServer
from testbed.world import World, eventually


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; a developer without it skips, CI fails."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        if os.environ.get("CI"):
            pytest.fail("there is no chromium: apt-get install chromium")
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        # Root has no sandbox, and only pages of this test are opened.
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield found
        found.close()


@dataclass
class Pages:
    """The engine with its two faces."""

    world: World
    web: str
    token: str


@pytest.fixture(scope="module")
def pages(control_plane: ControlPlane, redis_server: RedisServer, git_server: GitServer) -> Iterator[Pages]:
    """The engine with Flower and the web server."""
    client = ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig))
    install(client, "argocd", custom_resources())
    env = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http"}
    with (
        redis_server.database() as redis_url,
        Engine(control_plane.kubeconfig, redis_url, workers=1, flower=True, env=env) as engine,
    ):
        port, token = free_port(), "the-token-of-the-page"
        own = {"GITOPS_WEB_PORT": str(port), "GITOPS_WEB_TOKEN": token}
        command = [sys.executable, "-m", "gitops.cli", "web"]
        web = subprocess.Popen(command, env={**os.environ, **engine.env, **own}, cwd=ROOT)
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: answers(f"{url}/readyz"), "the web server")
            eventually(lambda: answers(f"{engine.flower_url}/healthcheck"), "Flower")
            yield Pages(World(client, engine, git_server, control_plane, redis_server), url, token)
        finally:
            web.terminate()
            web.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
