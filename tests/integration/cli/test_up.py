"""`gitops up`: the engine over real parts that are named, or over its own; never over a cluster that nobody named."""

from __future__ import annotations

import base64
import re
import signal
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import terminal
import yaml

from testbed.controlplane import ControlPlane
from testbed.world import eventually


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    found = {pid}
    parent_of = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parent_of[int(stat.parent.name)] = int(fields[1])
    while more := {child for child, parent in parent_of.items() if parent in found} - found:
        found |= more
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kubeconfig(server: str) -> dict[str, Any]:
    """A kubeconfig whose current context is a cluster at this address."""
    named = {"name": "theirs"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "theirs",
        "clusters": [{**named, "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
        "users": [{**named, "user": {"token": "x"}}],
        "contexts": [{**named, "context": {"cluster": "theirs", "user": "theirs"}}],
    }


def test_it_says_how_to_go_on(up: terminal.Up) -> None:
    assert set(up.exports) >= {"GITOPS_KUBECONFIG", "GITOPS_REDIS_URL", "GITOPS_SEAL_KEY", "KUBECONFIG"}
    flower = re.search(r"Flower: (\S+) \((\S+) / (\S+)\)", up.text)
    assert flower
    url, user, password = flower.groups()
    request = urllib.request.Request(f"{url}/api/workers")
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_all_that_it_started_ends_with_it(
    control_plane: ControlPlane, redis_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    said = tmp_path / "said"
    named = ["--kubeconfig", str(control_plane.kubeconfig), "--redis", redis_url]
    process = terminal.start(said, *named, "--workers", "1", "--namespace", f"ends-{number.name.lower()}")
    try:
        terminal.runs(process, said)
        started = family(process.pid)
        assert len(started) > 3
    finally:
        process.send_signal(number)
    assert process.wait(60) == (0 if number == signal.SIGTERM else -number)
    eventually(lambda: not any(map(alive, started)), "the end of all processes", 30)


def test_the_cluster_of_the_users_own_kubeconfig_is_left_alone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        theirs = tmp_path / "config"
        theirs.write_text(yaml.safe_dump(kubeconfig(f"https://127.0.0.1:{listener.getsockname()[1]}")))
        said = tmp_path / "said"
        process = terminal.start(said, "--workers", "1", KUBECONFIG=str(theirs), HOME=str(Path.home()))
        try:
            terminal.runs(process, said)
            assert f"KUBECONFIG={theirs}" not in said.read_text()
        finally:
            assert terminal.end(process) == 0
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_kubeconfig_that_is_not_there_is_said(tmp_path: Path) -> None:
    said = tmp_path / "said"
    process = terminal.start(said, "--kubeconfig", str(tmp_path / "nowhere"))
    assert process.wait(60) == 1
    assert said.read_text().splitlines()[-1].startswith("gitops: ")
    assert "nowhere" in said.read_text()
    assert "Traceback" not in said.read_text()


def test_what_a_fresh_machine_lacks_is_said(tmp_path: Path) -> None:
    said = tmp_path / "said"
    process = terminal.start(said, PATH=str(tmp_path), HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert process.wait(60) == 1
    assert "gitops: " in said.read_text()
    assert "Go" in said.read_text()
    assert "Traceback" not in said.read_text()


def test_a_redis_that_does_not_answer_is_said(control_plane: ControlPlane, tmp_path: Path) -> None:
    said = tmp_path / "said"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    named = ["--kubeconfig", str(control_plane.kubeconfig), "--redis", f"redis://:secret@127.0.0.1:{port}/0"]
    process = terminal.start(said, *named, "--workers", "1", "--namespace", "no-redis")
    assert process.wait(60) == 1
    assert said.read_text().splitlines()[-1].startswith(f"gitops: no Redis answers at 127.0.0.1:{port}")
    assert "Traceback" not in said.read_text()
    assert "secret" not in said.read_text()


def test_a_cluster_that_does_not_answer_is_said(redis_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody = tmp_path / "config"
    nobody.write_text(yaml.safe_dump(kubeconfig(f"https://127.0.0.1:{port}")))
    said = tmp_path / "said"
    process = terminal.start(said, "--kubeconfig", str(nobody), "--redis", redis_url)
    assert process.wait(60) == 1
    assert said.read_text().splitlines()[-1].startswith("gitops: ")
    assert str(port) in said.read_text()
    assert "Traceback" not in said.read_text()
