"""Hostile repositories by the whole way, from the CR to a condition: each harms its own application alone."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gitops.model.objects import Manifest
from testbed.gitrepo import GitRepo, git
from testbed.world import World, eventually

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
CHART = "apiVersion: v2\nname: c\nversion: 0.1.0\n"
LOOP = "{{ range until 100000 }}" * 3 + "{{ end }}" * 3
MANY = "{{ range until 100000 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a{{ . }}}\n{{ end }}"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{c}: &{c} [{','.join(['*' + chr(ord(c) - 1)] * 9)}]\n" for c in "bcdefghij"
)
#: MiB that a worker with all of its processes and renders may hold; each render alone may have 192.
WORKER_MIB = 1500


def _link(repo: GitRepo, name: str, target: str) -> None:
    (repo.work / name).parent.mkdir(parents=True, exist_ok=True)
    (repo.work / name).symlink_to(target)
    repo.commit()
    repo.push()


def _large(repo: GitRepo) -> None:
    """A file of a GiB, small on the way: made in the server's repository itself, which saves two passes over it."""
    big = repo.work / "big"
    with big.open("wb") as file:
        file.truncate(1 << 30)
    fast = ("-c", "core.bigFileThreshold=1m", "-c", "core.compression=1")
    oid = git(*fast, "hash-object", "-w", "--no-filters", big, cwd=repo.bare)
    big.unlink()
    index = {"GIT_INDEX_FILE": str(repo.bare / "index")}
    git("update-index", "--add", "--cacheinfo", f"100644,{oid},app/a.yaml", cwd=repo.bare, env=index)
    sha = git("commit-tree", "-m", "large", git("write-tree", cwd=repo.bare, env=index), cwd=repo.bare)
    git("update-ref", "refs/heads/main", sha, cwd=repo.bare)


def _submodule(repo: GitRepo, url: str) -> None:
    repo.write({".gitmodules": f'[submodule "m"]\n\tpath = app/sub\n\turl = {url}\n', "app/a.yaml": CONFIG_MAP})
    git("add", "--all", cwd=repo.work)
    git("update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},app/sub", cwd=repo.work)
    git("commit", "--quiet", "--message", "submodule", cwd=repo.work)
    repo.push()


@dataclass
class Attack:
    """What stands in the repository, what the source says, and what the condition must tell."""

    message: str
    files: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[GitRepo], None] | None = None
    source: dict[str, Any] = field(default_factory=dict)


ATTACKS = {
    "symlink": Attack("leads out of the repository", prepare=lambda r: _link(r, "app/a.yaml", "/etc/passwd")),
    "dots-in-path": Attack("leads out of the repository", {"app/a.yaml": CONFIG_MAP}, source={"path": "../../etc"}),
    "dots-in-values": Attack(
        "leads out of the repository",
        {"app/Chart.yaml": CHART},
        source={"helm": {"valueFiles": ["../../../../etc/passwd"]}},
    ),
    "dots-in-kustomize": Attack("leads out", {"app/kustomization.yaml": "resources: [../../../../etc/passwd]\n"}),
    "anchors": Attack("excessive aliasing", {"app/a.yaml": CONFIG_MAP + BOMB}),
    "gibibyte": Attack("more than 512 MiB of files", prepare=_large),
    "endless": Attack("took longer than", {"app/Chart.yaml": CHART, "app/templates/a.yaml": LOOP}),
    "many-objects": Attack(
        "more than 5000 objects|took longer|more than .* of CPU",
        {"app/Chart.yaml": CHART, "app/templates/a.yaml": MANY},
    ),
    "dash": Attack("is not a URL|holds blanks", source={"repoURL": "--upload-pack=touch {mark}"}),
    "ext": Attack("is not a URL|not followed|holds blanks", source={"repoURL": "ext::sh -c 'touch {mark}'"}),
    "submodule-file": Attack("never followed|leads to a file", prepare=lambda r: _submodule(r, "file:///etc")),
    "ref": Attack(
        "unable to resolve", {"app/a.yaml": CONFIG_MAP}, source={"targetRevision": "--upload-pack=touch {mark}"}
    ),
    "newline": Attack(
        "kustomize: ", {"app/kustomization.yaml": 'resources: ["a\\nb.yaml"]\n', "app/a\nb.yaml": CONFIG_MAP}
    ),
}  # fmt: skip


@pytest.fixture
def trap() -> Iterator[tuple[int, list[object]]]:
    """A port of this machine where nobody may come, and who came."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    came.append(server.accept())
                except OSError:
                    return

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], came


def _memory_mib(roots: list[int]) -> float:
    """Proportional MiB of processes and all that they started."""
    parents = {int(p.name): _parent(p) for p in Path("/proc").iterdir() if p.name.isdigit()}
    wanted = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in wanted} - wanted:
        wanted |= more
    total = 0
    for pid in wanted:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1])  # type: ignore[index]
    return total / 1024


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def _workers() -> list[int]:
    """The engine's worker, by what this test's processes started."""
    found = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 2) for line in found.splitlines()[1:]]
    ours = {os.getpid()}
    while more := {int(pid) for pid, parent, _ in lines if int(parent) in ours} - ours:
        ours |= more
    return [int(pid) for pid, _, args in lines if int(pid) in ours and " -m workers worker" in args]


def _settled() -> list[int]:
    """The same, where no process is just being started: until it has its own program it looks like its parent."""
    found = _workers()
    return found if found == _workers() else []


def test_each_attack_fails_its_own_application(world: World, trap: tuple[int, list[object]], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    healthy = world.repo({"app/a.yaml": CONFIG_MAP})
    world.application("healthy", healthy.http_url)
    world.becomes("healthy")
    workers = eventually(_settled, "the worker's processes")
    port, came = trap
    attacks = {
        **ATTACKS,
        "submodule-host": Attack(
            "not permitted in project", prepare=lambda r: _submodule(r, f"http://127.0.0.1:{port}/x.git")
        ),
        "value-file-inside": Attack(
            "has a private address",
            {"app/Chart.yaml": CHART},
            source={"helm": {"valueFiles": [f"http://127.0.0.1:{port}/latest/meta-data"]}},
        ),
    }
    closed = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "closed", "namespace": "argocd"},
        "spec": {"sourceRepos": [f"{world.git.http_url}/**"], "destinations": [{"server": "*", "namespace": "*"}]},
    }  # fmt: skip
    world.client.apply(Manifest.of(closed))
    highest = 0.0
    for name, attack in attacks.items():
        repo = world.git.create(f"hostile/{name}")
        if attack.prepare:
            attack.prepare(repo)
        else:
            repo.publish(attack.files)
        source = {"repoURL": repo.http_url, "path": "app", "targetRevision": "HEAD"} | {
            key: value.replace("{mark}", str(mark)) if isinstance(value, str) else value
            for key, value in attack.source.items()
        }
        project = "closed" if name == "submodule-host" else "default"
        world.application(name, repo.http_url, project=project, source=source)
    for name, attack in attacks.items():

        def told(name: str = name) -> str:
            nonlocal highest
            highest = max(highest, _memory_mib(workers))
            conditions = (world.app(name).get("status") or {}).get("conditions") or []
            return next((str(c["message"]) for c in conditions), "")

        message = eventually(told, f"a condition of {name}", timeout=90, context=world.logs)
        assert re.search(attack.message, message), f"{name}: {message}"
        assert "\n" not in message
        assert "root:" not in message
    assert highest < WORKER_MIB
    # The worker goes on, none of its processes is another one, and nobody was reached or touched.
    eventually(lambda: _workers() == workers, "the same processes as before", timeout=10)
    healthy.publish({"app/a.yaml": CONFIG_MAP + "data: {b: c}\n"})
    eventually(
        lambda: (world.live("ConfigMap", "healthy", "a") or {}).get("data") == {"b": "c"},
        "a commit of the healthy application",
        context=world.logs,
    )
    assert not mark.exists()
    assert came == []
