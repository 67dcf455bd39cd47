"""The rooms put together: what the tasks do. fetch -> compare -> operate, each under the application's lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitops.reconcile.engine import Engine

__all__ = ["Engine"]


def __getattr__(name: str) -> Any:
    # Beat uses modules of this room, and neither renders nor reads Git: without the engine it is 8 MiB smaller.
    if name == "Engine":
        from gitops.reconcile.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
