"""docker-compose.yml read by the reference implementation of its specification, and held against the engine."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gitops.settings import Settings
from gitops.source.sandbox import zygote
from testbed import build

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> Path:
    try:
        return build.tool("compose")
    except build.GoMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def project(compose: Path) -> dict[str, Any]:
    """The project with everything resolved."""
    said = subprocess.run([compose, "-format", "json", FILE], capture_output=True, text=True, check=False, cwd=ROOT)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_every_part_of_the_engine_is_there(project):
    assert set(project["services"]) == {
        "k3s",
        "setup",
        "git",
        "redis",
        "beat",
        "worker-1",
        "worker-2",
        "flower",
        "web",
        "prometheus",
        "grafana",
    }


def test_a_mistake_is_found(compose, tmp_path):
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(FILE.read_text().replace("stop_grace_period:", "stop_grace_perod:"))
    assert subprocess.run([compose, broken], capture_output=True, check=False).returncode != 0


def test_only_the_loopback_is_opened_and_only_k3s_is_privileged(project):
    for name, service in project["services"].items():
        assert bool(service.get("privileged")) is (name == "k3s")
        for port in service.get("ports", []):
            assert port.get("host_ip") == "127.0.0.1", name
        if service.get("image") == "gitops-engine:dev":
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name


def test_settings_exist_and_files_that_are_mounted_exist(project):
    known = {f"GITOPS_{name.upper()}" for name in Settings.model_fields}
    for name, service in project["services"].items():
        ours = {key for key in service.get("environment") or {} if key.startswith("GITOPS_")}
        assert ours <= known, name
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                assert Path(volume["source"]).exists(), name


def test_the_image_holds_what_the_services_start():
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER 65532", text, re.M)
    for room in ("gitops", "workers", "beat"):
        assert f"COPY {room} {room}" in text
        assert f"!{room}" in (ROOT / ".dockerignore").read_text()


def test_a_worker_has_the_memory_that_its_processes_may_use(project):
    """As in the chart: half a GiB for the parent, git and helm, and all processes and renders at their own bounds."""
    read = Settings()
    renders = min(read.concurrency, zygote._MAX_CHILDREN) * read.render_memory_mib
    bound = 512 + read.concurrency * read.child_hard_limit_mib + renders
    for name in ("worker-1", "worker-2"):
        service = project["services"][name]
        number, unit = re.fullmatch(r"(\d+)([gm])", service["mem_limit"]).groups()
        assert int(number) * (1024 if unit == "g" else 1) >= bound
        assert not [word for word in service["command"] if word.startswith("--concurrency")]
