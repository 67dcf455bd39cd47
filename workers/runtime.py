"""What one worker process works with: made on first use, after the fork."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from gitops.cluster import Connection
from gitops.observe import trace
from gitops.reconcile import Engine
from gitops.settings import settings
from gitops.source import Renderer
from gitops.source.options import renderer_of
from gitops.state import State
from gitops.state.envelope import envelope
from workers.app import app


@lru_cache(maxsize=1)
def renderer() -> Renderer:
    """The renderer: started in the worker's parent, its render process is shared by all children."""
    return renderer_of(settings())


@lru_cache(maxsize=1)
def connection() -> Connection:
    """How the control cluster is reached: made in the parent, so that what reads it is loaded once."""
    return Connection.control(settings().kubeconfig)


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The engine of this process."""
    return Engine.build(settings(), State(settings(), trace.carrying(envelope)), store_result, renderer(), connection())


def store_result(task_id: str, outcome: dict[str, Any], *, failed: bool) -> None:
    """Answer the one who waits for a task's result."""
    if failed:
        from gitops.errors import SyncError

        error = SyncError(str(outcome.get("message") or "the operation failed"))
        app.backend.store_result(task_id, error, "FAILURE")
    else:
        app.backend.store_result(task_id, outcome, "SUCCESS")


def close() -> None:
    """Let what this process still has to tell go out."""
    if engine.cache_info().currsize:
        engine().notices.close()


def reset() -> None:
    """Forget what was inherited over a fork: connections must not be shared."""
    engine.cache_clear()
