"""The tasks. Each is a thin shell: names, arguments and lanes here, the work in gitops.reconcile."""

from __future__ import annotations

import time
from typing import Any

from celery.exceptions import Ignore

from gitops.settings import settings
from gitops.state.locks import CLUSTER, SET, SOURCE
from gitops.state.queue import APPLY, DIFF, FETCH, GENERATE
from workers.app import app
from workers.task import EngineTask

#: Seconds of a fetch after which the comparison is left to a task of its own, with a time limit of its own.
FOLLOW_SECONDS = 5.0


def app_id(name: str) -> str:
    """`namespace/name` of an application named with or without its namespace."""
    return name if "/" in name else f"{settings().namespace}/{name}"


@app.task(name="gitops.fetch", bind=True, base=EngineTask)
def fetch(self: EngineTask, application: str) -> str:
    """Resolve the target revision, render what changed, and go on with what `diff` does, or wish for it."""
    from workers.runtime import engine

    begun = time.monotonic()
    with engine().refs.telling():
        said = self.step(FETCH, SOURCE, application, lambda engine, entry: engine.fetch(entry))
        if not engine().follow:
            return said
        if time.monotonic() - begun > FOLLOW_SECONDS:
            self.leave(DIFF, application)
            return said
        return self.step(DIFF, CLUSTER, application, lambda engine, entry: engine.compare(entry), queued=False)


@app.task(name="gitops.diff", bind=True, base=EngineTask)
def diff(self: EngineTask, application: str) -> str:
    """Compare desired with live, write the status, and start the operation that the policy asks for."""
    return self.step(DIFF, CLUSTER, application, lambda engine, entry: engine.compare(entry))


@app.task(name="gitops.apply", bind=True, base=EngineTask)
def apply(self: EngineTask, application: str) -> str:
    """Move the application's operation on by one step."""
    return self.step(APPLY, CLUSTER, application, lambda engine, entry: engine.operate(entry))


@app.task(name="gitops.generate", bind=True, base=EngineTask)
def generate(self: EngineTask, application_set: str) -> str:
    """Make an ApplicationSet's Applications as its generators say. `application_set` is `appset:namespace/name`."""
    return self.step(GENERATE, SET, application_set, lambda engine, entry: engine.generate(entry))


@app.task(name="gitops.sync", bind=True, base=EngineTask, ignore_result=False)
def sync(
    self: EngineTask,
    application: str,
    revision: str = "",
    prune: bool | None = None,
    dry_run: bool = False,
    force: bool = False,
    resources: list[dict[str, str]] | None = None,
    sync_options: list[str] | None = None,
) -> dict[str, Any]:
    """Sync an application now. The result is the operation's outcome, there once the operation has ended.

    `application` is a name in the control namespace, or `namespace/name`. `prune` None means as its policy says.
    Raises SyncError where the application does not exist or another operation is in progress.
    """
    from workers.runtime import engine

    engine().request_sync(
        app_id(application),
        revision=revision,
        prune=prune,
        dry_run=dry_run,
        force=force,
        resources=resources or [],
        sync_options=sync_options or [],
        waiter=str(self.request.id),
    )
    # The outcome is stored under this task's id by the one that ends the operation; no worker waits for it.
    raise Ignore


@app.task(name="gitops.refresh", bind=True, base=EngineTask)
def refresh(self: EngineTask, application: str, hard: bool = False) -> None:
    """Look at an application's repository and objects now. `hard` renders and reads everything again."""
    from workers.runtime import engine

    engine().request_refresh(app_id(application), hard=hard)
