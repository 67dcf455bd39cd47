"""From a repository's content to Kubernetes objects (specs section 2).

`Renderer.render(RenderRequest)` turns a checkout and a source spec into objects, in a sandboxed process apart from the
caller's; `finish` turns the objects of all sources of an Application into the Manifests that are compared and applied.

The names are loaded on first use, so that the render process, which lives in this package too, stays small.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitops.source.finishing import finish
    from gitops.source.renderer import Renderer
    from gitops.source.request import (
        BuildEnv,
        ChartDependency,
        Limits,
        PluginCommand,
        RemoteBase,
        RemoteFile,
        Rendered,
        RenderRequest,
    )

__all__ = [
    "BuildEnv",
    "ChartDependency",
    "Limits",
    "PluginCommand",
    "RemoteBase",
    "RemoteFile",
    "RenderRequest",
    "Rendered",
    "Renderer",
    "finish",
]

_HOME = {
    "BuildEnv": "gitops.source.request",
    "ChartDependency": "gitops.source.request",
    "Limits": "gitops.source.request",
    "PluginCommand": "gitops.source.request",
    "RemoteBase": "gitops.source.request",
    "RemoteFile": "gitops.source.request",
    "RenderRequest": "gitops.source.request",
    "Rendered": "gitops.source.request",
    "Renderer": "gitops.source.renderer",
    "finish": "gitops.source.finishing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value
