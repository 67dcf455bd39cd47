"""The process of a render: no network, no files but its own, a clean environment, an end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gitops.source import PluginCommand

sys.path.insert(0, str(Path(__file__).parent))
from hostile import Render, fails, outside, until, write

pytestmark = pytest.mark.usefixtures("unharmed")


def plugin(code: str) -> dict[str, PluginCommand]:
    return {"p": PluginCommand("p", (sys.executable, "-I", "-S", "-c", code), readable=(sys.prefix, sys.base_prefix))}


def answer(render: Render, tmp_path: Path, code: str, **source: str) -> dict[str, str]:
    """What code prints that runs inside the sandbox, as the data of a ConfigMap."""
    wrapped = (
        "import json\ndata = {}\n" + code + "\n"
        "print(json.dumps({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'a'}, 'data': data}))"
    )
    data: dict[str, str] = render(tmp_path, plugins=plugin(wrapped), plugin={"name": "p"}, **source).objects[0]["data"]
    return data


def test_no_network(render: Render, tmp_path: Path) -> None:
    code = """
import socket
for name, family, kind in (("inet", socket.AF_INET, socket.SOCK_STREAM), ("udp", socket.AF_INET6, socket.SOCK_DGRAM),
                           ("unix", socket.AF_UNIX, socket.SOCK_STREAM), ("netlink", socket.AF_NETLINK, 3)):
    try:
        socket.socket(family, kind)
        data[name] = "open"
    except PermissionError:
        data[name] = "refused"
"""
    assert set(answer(render, tmp_path, code).values()) == {"refused"}


def test_nothing_is_written_or_read_outside(render: Render, tmp_path: Path) -> None:
    repo = write(outside(tmp_path), {"a.txt": "x"})
    victim = tmp_path / "written"
    code = f"""
import os
for name, act in {{
    "write": lambda: open({str(victim)!r}, "w"),
    "write checkout": lambda: open({str(repo / "b.txt")!r}, "w"),
    "read": lambda: open({str(tmp_path / "secret.yaml")!r}).read(),
    "read etc": lambda: open("/etc/passwd").read(),
    "list": lambda: os.listdir({str(Path.home())!r}),
    "environment": lambda: open(f"/proc/{{os.getppid()}}/environ").read(),
    "kill": lambda: os.kill({os.getpid()}, 0),
    "session": lambda: os.setsid(),
    "mount": lambda: os.unshare(0x10000000) if hasattr(os, "unshare") else open("/proc/1/environ").read(),
}}.items():
    try:
        act()
        data[name] = "allowed"
    except (PermissionError, FileNotFoundError):
        data[name] = "refused"
open("mine.txt", "w").write("fine")
data["own folder"] = open("mine.txt").read()
"""
    found = answer(render, repo, code)
    assert found.pop("own folder") == "fine"
    assert set(found.values()) == {"refused"}, found
    assert not victim.exists()
    assert sorted(p.name for p in repo.iterdir()) == ["a.txt"]


def test_the_environment_is_clean(render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITOPS_SEAL_KEY", "secret")
    url = "https://user:hunter2@git.example.com/r.git"
    found = answer(render, tmp_path, "import os\ndata.update(os.environ)", repoURL=url)
    assert found["ARGOCD_APP_SOURCE_REPO_URL"] == "https://git.example.com/r.git"
    assert not [name for name, value in found.items() if "hunter2" in value]
    assert found["ARGOCD_APP_NAME"] == "app"
    assert not [name for name in found if name.startswith(("GITOPS_", "KUBECONFIG", "REDIS"))]
    assert found["HOME"].rpartition("/")[2].startswith("render-")


def test_a_plugin_that_does_not_end(render: Render, tmp_path: Path) -> None:
    child = "import time; time.sleep(600)"
    sleeping = plugin(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    named = {"plugins": sleeping, "plugin": {"name": "p"}}
    fails(render, tmp_path, **named, limits={"wall_seconds": 1}, match="longer than 1 seconds")
    until(lambda: not _running(child))


def _running(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if text.encode() in (entry / "cmdline").read_bytes().split(b"\0")[-2]:
                    found.append(entry.name)
            except (OSError, IndexError):
                continue
    return found
