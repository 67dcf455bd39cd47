"""What a commit costs: one ls-remote, one fetch, and a render for each application that it concerns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops.source.access.bounds import MIB
from gitops.state.apps import DesiredState

APPS, FILES = 500, 20
#: More seconds than a look at a repository is good for.
INTERVAL = 200.0
#: A conversation with the server: two requests by HTTP.
LOOK = {"git-upload-pack": 1}
LOOK_AND_FETCH = {"git-upload-pack": 2}
#: A worker without anything of a repository leaves it to Git, which asks the server what it can first.
CLONE = {"info/refs git-upload-pack": 1, "git-upload-pack": 1}
LOOK_AND_CLONE = {"info/refs git-upload-pack": 1, "git-upload-pack": 2}
KINDS = ("plain", "kustomize", "helm")


def kind(number: int) -> str:
    """Mostly plain folders; every tenth is an overlay of a base outside of its path, every tenth a chart."""
    return {0: "kustomize", 5: "helm"}.get(number % 10, "plain")


def files(number: int) -> dict[str, str]:
    """FILES files of one application."""
    folder = f"apps/a{number:03}"
    config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\n"
    if kind(number) == "kustomize":
        own = {"kustomization.yaml": f"resources: [../../base]\nnamePrefix: a{number:03}-\n"}
    elif kind(number) == "helm":
        own = {
            "Chart.yaml": f"apiVersion: v2\nname: a{number:03}\nversion: 0.1.0\n",
            "values.yaml": "x: 1\n",
            "templates/cm.yaml": config_map.format("a"),
        }
    else:
        own = {f"cm{i}.yaml": config_map.format(f"a{number:03}-{i}") for i in range(3)}
    rest = {f"notes/{i:02}.txt": f"{number} {i}\n" for i in range(FILES - len(own))}
    return {f"{folder}/{name}": content for name, content in (own | rest).items()}


@pytest.fixture
def source() -> Callable[..., dict[str, Any]]:
    def source(url: str, number: int) -> dict[str, Any]:
        spec: dict[str, Any] = {"repoURL": url, "path": f"apps/a{number:03}", "targetRevision": "main"}
        if kind(number) == "helm":
            spec["helm"] = {"valueFiles": ["../../common/values.yaml"]}
        return spec

    return source


def test_five_hundred_applications_of_a_repository_with_ten_thousand_files(
    desk: Any, git_server: Any, repository: Any, source: Any
) -> None:
    repo = repository("mono")
    for number in range(APPS):
        repo.write(files(number))
    repo.write(
        {
            "base/kustomization.yaml": "resources: [cm.yaml]\n",
            "base/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: base}\n",
            "common/values.yaml": "x: 2\n",
        }
    )
    repo.commit("first")
    repo.push()
    assert sum(1 for p in repo.work.rglob("*") if p.is_file() and ".git" not in p.parts) >= APPS * FILES
    known: dict[int, DesiredState] = {}

    def everyone() -> list[int]:
        """Every application is fetched once; which of them were rendered."""
        desk.renderer.paths.clear()
        git_server.reset_counts()
        for number in range(APPS):
            known[number] = desk.make(f"a{number:03}", source(repo.http_url, number), known.get(number))
        return sorted(int(path.removeprefix("apps/a")) for path in desk.renderer.paths)

    def interval_passes() -> None:
        desk.state.redis.hset(desk.state.keys.refs(repo.http_url), "at", time.time() - INTERVAL)

    # The first time: everything is rendered, and the server is asked and fetched from once.
    assert everyone() == list(range(APPS))
    assert git_server.counts(repo.name) == LOOK_AND_CLONE

    # After the interval one asks for all.
    interval_passes()
    assert everyone() == []
    assert git_server.counts(repo.name) == LOOK

    # A commit to three applications' paths renders these three.
    before = {number: desired.artifact for number, desired in known.items()}
    repo.publish({f"apps/a{number:03}/cm0.yaml": files(1)["apps/a001/cm1.yaml"] for number in (1, 123, 499)})
    interval_passes()
    assert everyone() == [1, 123, 499]
    assert git_server.counts(repo.name) == LOOK_AND_FETCH
    assert [n for n in known if known[n].artifact != before[n]] == [1, 123, 499]
    assert {desired.revisions for desired in known.values()} == {(repo.head,)}

    # One to a file that only some renders read, outside of their paths, renders those; nobody declared it.
    other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n"
    repo.publish({"base/cm.yaml": other, "common/values.yaml": "x: 3\n"})
    interval_passes()
    assert everyone() == [number for number in range(APPS) if kind(number) in ("kustomize", "helm")]

    # One that nobody reads renders nothing.
    repo.publish({"README.md": "hello\n", "base/unused.yaml": "x\n"})
    interval_passes()
    assert everyone() == []
    assert git_server.counts(repo.name) == LOOK_AND_FETCH

    # A worker that comes back with an empty disk fetches the commit once, and renders nothing.
    shutil.rmtree(desk.disk)
    assert everyone() == []
    assert git_server.counts(repo.name) == CLONE


def test_mirrors_are_bounded_and_the_least_recently_used_goes(desk: Any, repository: Any, git_server: Any) -> None:
    """Room for two of three mirrors; what is gone is fetched again when it is wanted, and nothing else is."""
    desk.bounds = replace(desk.bounds, mirrors_disk_mib=3)
    noise = bytes((i * i * 31 + i) % 251 for i in range(1 << 10))
    repos = [repository(name) for name in ("a", "b", "c")]
    for number, repo in enumerate(repos):
        # Random enough that no packing makes it small.
        content = b"".join(_hash(number, i) for i in range(MIB // 32)) + noise
        repo.publish({"app/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n", "app/noise": content})

    def fetch(*numbers: int) -> list[int]:
        """Which repositories were fetched from, as each application's render is asked for anew."""
        git_server.reset_counts()
        for number in numbers:
            desk.make(f"app-{number}", {"repoURL": repos[number].http_url, "path": "app"}, hard=True)
        return [n for n, repo in enumerate(repos) if git_server.counts(repo.name).get("git-upload-pack", 0)]

    assert fetch(0, 1) == [0, 1]
    assert fetch(0, 1) == []
    fetch(1)
    fetch(0)  # 1 is the one that was not used for longest
    assert fetch(2) == [2]
    assert _mib(desk.disk / "git" / "mirrors") <= 3
    assert fetch(0, 2) == []
    assert fetch(1) == [1]
    assert _mib(desk.disk / "git" / "mirrors") <= 3


def _hash(*parts: int) -> bytes:
    from hashlib import sha256

    return sha256(repr(parts).encode()).digest()


def _mib(folder: Path) -> float:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / MIB
