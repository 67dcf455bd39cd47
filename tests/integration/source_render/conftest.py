"""A render process as in production, with bounds that are reached fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops.model.application import Source
from gitops.source import BuildEnv, Limits, PluginCommand, Rendered, Renderer, RenderRequest

Render = Callable[..., Rendered]
LIMITS = Limits(wall_seconds=6, cpu_seconds=4, memory_mib=160, output_mib=8, objects=1000, depth=100)


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
        request = RenderRequest(
            root=root,
            path=path,
            source=Source.model_validate({"repoURL": "https://git.example.com/r.git", "path": path, **source}),
            env=BuildEnv(app_name="app", namespace="space"),
            limits=replace(LIMITS, **(limits or {})),
            plugins=plugins or {},
            refs=refs or {},
        )
        return renderer.render(request)

    return render


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    """Write files below `root`."""
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root
