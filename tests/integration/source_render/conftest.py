"""A render process as in production, with bounds that are reached fast."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gitops.model.application import Source
from gitops.source import BuildEnv, PluginCommand, Rendered, Renderer, RenderRequest

sys.path.insert(0, str(Path(__file__).parent))
from hostile import CONFIG_MAP, LIMITS, Render, resident_mib, until, write


@pytest.fixture(scope="module")
def temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where renders have their folders."""
    return tmp_path_factory.mktemp("renders")


@pytest.fixture(scope="module")
def renderer(temp: Path) -> Iterator[Renderer]:
    made = Renderer(sandbox="required", kustomize="kubectl", temp=temp)
    yield made
    made.close()


@pytest.fixture
def kept() -> str:
    """Where a render finds the files of its path: "on disk", or "given" with the request where that can be."""
    return "on disk"


@pytest.fixture
def render(renderer: Renderer, kept: str, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """render(root, path=".", limits={...}, plugins={...}, refs={...}, **fields of the source)."""

    def render(
        root: Path,
        path: str = ".",
        *,
        limits: dict[str, Any] | None = None,
        plugins: dict[str, PluginCommand] | None = None,
        refs: dict[str, Path] | None = None,
        **source: Any,
    ) -> Rendered:
        spec = Source.model_validate({"repoURL": "https://git.example.com/r.git", "path": path, **source})
        given, need = None, lambda _path: None
        if kept == "given" and (given := _content(root, path)):
            empty = tmp_path_factory.mktemp("checkout")
            need = partial(_bring, root, empty)
            root = empty
        request = RenderRequest(
            root=root,
            path=path,
            source=spec,
            given=given,
            env=BuildEnv(app_name="app", namespace="space", repo_url=spec.repo_url),
            limits=replace(LIMITS, **(limits or {})),
            plugins=plugins or {},
            refs=refs or {},
        )
        return renderer.render(request, need)

    return render


def _content(root: Path, path: str) -> dict[str, bytes] | None:
    """What a commit gives of a path; None where it holds symlinks."""
    entries = [p for p in (root / path).rglob("*") if not p.is_dir() or p.is_symlink()]
    if any(not p.is_file() or p.is_symlink() for p in entries):
        return None
    return {str(p.relative_to(root)): p.read_bytes() for p in entries}


def _bring(root: Path, target: Path, path: str) -> None:
    if (root / path).is_dir():
        shutil.copytree(root / path, target / path, dirs_exist_ok=True)
    else:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, target / path)


@pytest.fixture
def unharmed(render: Render, temp: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After each attack: other applications render, this process has not grown, no temporary file is left."""
    healthy = write(tmp_path_factory.mktemp("healthy"), {"a.yaml": CONFIG_MAP})
    assert len(render(healthy).objects) == 1
    before, started = resident_mib(), time.monotonic()
    yield
    assert resident_mib() - before < 64
    assert time.monotonic() - started < LIMITS.wall_seconds + 20
    assert len(render(healthy).objects) == 1
    until(lambda: not [file for _, _, files in os.walk(temp) for file in files])
