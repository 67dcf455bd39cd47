"""A render process as in production, with bounds that are reached fast."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
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
def render(renderer: Renderer) -> Render:
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
        request = RenderRequest(
            root=root,
            path=path,
            source=spec,
            env=BuildEnv(app_name="app", namespace="space", repo_url=spec.repo_url),
            limits=replace(LIMITS, **(limits or {})),
            plugins=plugins or {},
            refs=refs or {},
        )
        return renderer.render(request)

    return render


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
