"""An operation that waits: until when, and what the status says of it and of the objects in the meantime.

A wait costs no request of its own: what the operation wrote and read is at hand, what was not applied yet is known to
be missing, and of the rest only what has changed since the last look is read.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gitops.errors import GitOpsError
from gitops.model.application import Application, operation_state
from gitops.model.names import REFRESH
from gitops.model.objects import Object, ObjectKey
from gitops.observe import logs, metrics
from gitops.reconcile import compare as comparing
from gitops.reconcile import status as statuses
from gitops.state.queue import APPLY
from gitops.sync import Parked

if TYPE_CHECKING:
    from gitops.reconcile.engine import Engine
    from gitops.reconcile.operate import Run

logger = logging.getLogger("gitops.apply")

#: Seconds after which a parked operation looks again by itself, should no event wake it.
BACKSTOP_SECONDS = 120.0
#: A wait of fewer seconds is not worth a look at the objects; nor is the pause between two waves.
SHORT_SECONDS = 1.0


def look(engine: Engine, run: Run, parked: Parked) -> comparing.Comparison | None:
    """How the objects are while the operation waits; None where that is not worth a look, or cannot be told.

    An object that the operation judged is taken as it was then: a change since has its event, which wakes us.
    """
    now = time.time()
    brief = run.record.hold_until > now or (parked.until or now + BACKSTOP_SECONDS) - now < SHORT_SECONDS
    kept = engine.state.apps.kept(run.app.id)
    desired = kept.desired
    # A person's refresh is answered by a comparison of its own.
    if brief or desired is None or REFRESH in run.app.annotations:
        return None
    try:
        comparison = comparing.look(engine, run.app, desired, kept.flags, fresh=_at_hand(run))
    except GitOpsError as error:
        logs.event(logger, f"cannot compare while the operation waits: {error}", logging.WARNING, app=run.app.id)
        return None
    if comparison is None or comparison.view is None:
        return None
    if comparison.flags.full <= now:
        # All was read: the next look of this wait reads only what changes.
        full, anew = now + engine.settings.full_compare_interval, comparison.flags.anew
        engine.state.apps.set_compared(run.app.id, anew, comparison.config.version, full=f"{full:.0f}")
    return comparison


def _at_hand(run: Run) -> dict[ObjectKey, Object | None]:
    """Live objects that need not be read; None for one that does not exist."""
    objects: dict[ObjectKey, Object | None] = {**run.client.written, **run.client.seen}
    plan, snapshot = run.record.plan, run.snapshot
    for task in plan.main if plan else ():
        unborn = not task.prune and not task.uid and run.record.result(task) is None
        if unborn and task.key not in snapshot.observed and task.key not in snapshot.compared:
            objects.setdefault(task.key, None)
    return objects


def park(engine: Engine, run: Run, parked: Parked, comparison: comparing.Comparison | None) -> None:
    """Wait for an event or a time; the status says once what is waited for, and how the objects are when that changes.

    `comparison` is what `look` gave.
    """
    record, app = run.record, run.app
    record.message = parked.reason
    engine.state.operations.put(app.id, record.to_json())
    now = time.time()
    engine.state.operations.park(app.id, min(parked.until or now + BACKSTOP_SECONDS, now + BACKSTOP_SECONDS))
    state = operation_state(app)
    told = (state.get("message"), state.get("phase")) == (record.shown, record.phase)
    failed = [("SyncError", record.message)] if record.retry_at is not None else []
    if failed and not told:
        metrics.task_retried(APPLY)
    status: Object = {"operationState": record.to_status()}
    if comparison and comparison.findings and not (told and _says_the_same(app, comparison.findings)):
        if failed:
            found = [*comparison.findings.conditions, *failed]
            comparison.findings = replace(comparison.findings, conditions=found, owned=frozenset({"SyncError"}))
        comparing.write(engine, comparison, status)
    elif not told:
        if failed:
            present = app.status.get("conditions") or []
            status["conditions"] = statuses.conditions(present, failed, owned=frozenset({"SyncError"}), only=True)
        comparing.write_patch(engine, app, {"status": status})
    engine.outcome = f"parked: {parked.reason}"
    logs.event(logger, f"parked: {parked.reason}", app=app.id)


def _says_the_same(app: Application, findings: statuses.Findings) -> bool:
    """Whether the words of the status hold still: that a rollout is at 3 of 10 now is not worth a write."""
    status = app.status
    present = (status.get("sync") or {}).get("status"), (status.get("health") or {}).get("status")
    conditions = {c.get("type") for c in status.get("conditions") or ()} & statuses.COMPARISON_CONDITIONS
    rows = statuses.rows(findings)
    return (
        present == (findings.sync, findings.health)
        and conditions == {kind for kind, _ in statuses.said(findings, len(rows))}
        and [_words(row) for row in status.get("resources") or ()] == [_words(row) for row in rows]
    )


def _words(row: Object) -> tuple[Any, ...]:
    health = (row.get("health") or {}).get("status")
    return row.get("kind"), row.get("namespace"), row.get("name"), row.get("status"), health, row.get("requiresPruning")
