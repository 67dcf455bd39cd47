"""docker-compose.yml's own commands and settings, run as processes until their own health checks are satisfied."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from testbed.controlplane import ControlPlane
from testbed.engine import ROOT, custom_resources
from testbed.processes import ProcessGroup, free_port
from testbed.redis import RedisServer
from testbed.world import eventually

#: The programs of this environment; in the image they are on the path.
BIN = Path(sys.executable).parent
SERVICES = ("beat", "worker-1", "flower", "web")


def service(name: str) -> dict[str, Any]:
    """A service as the file has it, with the defaults of its `${NAME:-default}`."""
    text = (ROOT / "docker-compose.yml").read_text()
    resolved = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)
    found: dict[str, Any] = yaml.safe_load(resolved)["services"][name]
    return found


class Composed:
    """The services as processes. What differs is where things are: addresses, ports and folders of this test."""

    def __init__(self, group: ProcessGroup, kubeconfig: Path, redis_url: str) -> None:
        self._group, self._kubeconfig, self._redis_url = group, kubeconfig, redis_url
        self.ports = {name: free_port() for name in SERVICES}
        self.environments = {name: self._environment(name) for name in SERVICES}

    def _environment(self, name: str) -> dict[str, str]:
        given = {key: str(value) for key, value in service(name)["environment"].items()}
        folder = self._group.directory / name
        folder.mkdir()
        here = {
            "GITOPS_REDIS_URL": self._redis_url,
            "GITOPS_KUBECONFIG": str(self._kubeconfig),
            "GITOPS_DATA_DIR": str(folder),
            "GITOPS_METRICS_DIR": str(folder / "metrics"),
            # The web server has a port for each.
            "GITOPS_METRICS_PORT": str(free_port() if name == "web" else self.ports[name]),
            "GITOPS_METRICS_HOST": "127.0.0.1",
            "GITOPS_WEB_HOST": "127.0.0.1",
            "GITOPS_WEB_PORT": str(self.ports[name]),
            "FLOWER_ADDRESS": "127.0.0.1",
            "FLOWER_PORT": str(self.ports[name]),
            "FLOWER_DB": str(folder / "flower"),
            "HOME": str(folder),
        }
        image = {"PATH": f"{BIN}:/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
        return image | given | {key: value for key, value in here.items() if key in given} | _unset(given)

    def start(self, name: str) -> None:
        self._group.start(name, self._program(service(name)["command"]), self.environments[name], cwd=ROOT)

    def healthy(self, name: str) -> bool:
        """The service's health check, once."""
        check = service(name)["healthcheck"]["test"]
        assert check[0] == "CMD"
        command = [word.replace("127.0.0.1:8080", f"127.0.0.1:{self.ports[name]}") for word in check[1:]]
        done = subprocess.run(
            self._program(command), env=self.environments[name], cwd=ROOT, check=False, capture_output=True
        )
        return done.returncode == 0

    def _program(self, command: list[str]) -> list[str]:
        return [str(BIN / command[0]), *command[1:]]

    def get(self, name: str, path: str, **given: Any) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=10, **given)

    def answers(self, name: str, path: str) -> bool:
        try:
            return self.get(name, path).is_success
        except httpx.HTTPError:
            return False

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{self._group.log_tail(name)}" for name in SERVICES)


def _unset(given: dict[str, str]) -> dict[str, str]:
    """Only the loopback is listened to, also where the file leaves an address to its default."""
    return {"GITOPS_METRICS_HOST": "127.0.0.1"} if "GITOPS_METRICS_PORT" in given else {}


@pytest.fixture(scope="module")
def composed(control_plane: ControlPlane, redis_server: RedisServer) -> Iterator[Composed]:
    """The services of the engine, running."""
    install(ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig)), "argocd", custom_resources())
    with redis_server.database() as redis_url, ProcessGroup("compose") as group:
        services = Composed(group, control_plane.kubeconfig, redis_url)
        for name in SERVICES:
            services.start(name)
        yield services


@pytest.mark.parametrize("name", ["beat", "worker-1", "web"])
def test_the_command_becomes_healthy_by_its_own_check(composed: Composed, name: str) -> None:
    eventually(lambda: composed.healthy(name), f"the health of {name}", 90, composed.logs)


def test_beat_and_the_worker_serve_metrics(composed: Composed) -> None:
    for name, line in (("beat", "workqueue_depth{"), ("worker-1", "gitops_build_info{")):
        eventually(lambda name=name: composed.answers(name, "/metrics"), f"the metrics of {name}", 90, composed.logs)
        assert line in composed.get(name, "/metrics").text


def test_flower_sees_the_worker_and_asks_for_its_password(composed: Composed) -> None:
    eventually(lambda: composed.answers("flower", "/healthcheck"), "Flower", 90, composed.logs)
    user, _, password = service("flower")["environment"]["FLOWER_BASIC_AUTH"].partition(":")
    assert composed.get("flower", "/api/workers").status_code == 401

    def workers() -> str:
        answer = composed.get("flower", "/api/workers?refresh=1", auth=(user, password))
        return json.dumps(answer.json()) if answer.is_success else ""

    eventually(lambda: "celery@" in workers(), "the worker in Flower", 90, composed.logs)


def test_the_status_page_opens_with_its_token(composed: Composed) -> None:
    eventually(lambda: composed.healthy("web"), "the web server", 90, composed.logs)
    token = service("web")["environment"]["GITOPS_WEB_TOKEN"]
    assert composed.get("web", "/").status_code == 401
    assert composed.get("web", "/", auth=("me", token)).status_code == 200
