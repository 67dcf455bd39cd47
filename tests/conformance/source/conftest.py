"""The render process, confined as in production, and the tools that it is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.source import Renderer
from testbed import build

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def renderer() -> Iterator[Renderer]:
    """Renders with kubectl as the kustomize."""
    made = Renderer(sandbox="required", kustomize="kubectl")
    yield made
    made.close()


@pytest.fixture(scope="session")
def warm_renderer() -> Iterator[Renderer]:
    """Renders with the warm kustomize renderer."""
    try:
        made = Renderer(sandbox="required", kustomize=str(build.gitops_kustomize()))
    except build.GoMissingError as error:
        pytest.skip(str(error))
    yield made
    made.close()


def _tool(name: str) -> Path:
    try:
        return build.tool(name)
    except build.GoMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    """`helm` of module helm.sh/helm/v3."""
    return _tool("helm")


@pytest.fixture(scope="session")
def kustomize_binary() -> Path:
    """`kustomize` of module sigs.k8s.io/kustomize/kustomize."""
    return _tool("kustomize")
