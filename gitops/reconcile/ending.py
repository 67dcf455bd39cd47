"""The end of an operation: another try, or its outcome in the status, the history, an Event and the waiting task."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gitops.diff import OUT_OF_SYNC
from gitops.errors import GitOpsError
from gitops.model.application import Application
from gitops.model.objects import Object
from gitops.observe import logs, metrics
from gitops.reconcile import compare as comparing
from gitops.reconcile import status as statuses
from gitops.state.queue import DIFF, Rank
from gitops.sync import OperationRecord, append_history, finalizers_wanted
from gitops.sync.ports import SUCCEEDED

if TYPE_CHECKING:
    from gitops.reconcile.engine import Engine
    from gitops.reconcile.operate import Run

logger = logging.getLogger("gitops.apply")

#: The entry of an operation's `info` that names the task whose result is the outcome.
WAITER = "task"


def end(engine: Engine, app: Application, record: OperationRecord, run: Run | None) -> None:
    """Write the outcome, once, with the comparison that holds after it."""
    now = datetime.now(UTC)
    record.finished_at = record.finished_at or statuses.timestamp()
    fields: dict[str, Any] = {"operationState": record.to_status()}
    history = append_history(app, record)
    if history is not None:
        fields["history"] = history
    comparison = _compare(engine, app, run, fields["operationState"])
    metadata = _finalizers(app, run)
    if comparison and comparison.findings:
        _sync_error(comparison, record)
        comparing.write(engine, comparison, fields, operation_ended=True, metadata=metadata)
        comparing.finish(engine, comparison)
        if comparison.findings.sync == OUT_OF_SYNC:
            # What has drifted during the operation had its event then, and no other one will come.
            engine.state.queue.want(DIFF, app.id, Rank.DRIFT)
    else:
        present = app.status.get("conditions") or []
        found = [] if record.phase == SUCCEEDED else [("SyncError", record.message)]
        fields["conditions"] = statuses.conditions(present, found, owned=frozenset({"SyncError"}), only=True)
        comparing.write_patch(engine, app, {"operation": None, "status": fields})
        engine.state.queue.want(DIFF, app.id, Rank.DRIFT)
    engine.state.operations.clear(app.id)
    _tell(engine, app, record, (now - record.started).total_seconds())


def _finalizers(app: Application, run: Run | None) -> Object | None:
    """The finalizers that delete hooks among the objects need, if the Application lacks them (specs section 5)."""
    if run is None or not any(b"elete" in m.body and b"/hook" in m.body for m in run.artifact.objects):
        return None
    missing = [name for name in finalizers_wanted(run.artifact.objects) if name not in app.finalizers]
    return {"finalizers": [*app.finalizers, *missing]} if missing else None


def _compare(
    engine: Engine, app: Application, run: Run | None, operation: dict[str, Any]
) -> comparing.Comparison | None:
    """Look again: what the operation wrote is known, only the rest is read."""
    if run is None:
        return None
    kept = engine.state.apps.kept(app.id)
    desired, written, applied = kept.desired, run.client.written, run.client.applied
    if desired is None:
        return None
    try:
        return comparing.look(engine, app, desired, kept.flags, fresh=written, operation=operation, applied=applied)
    except GitOpsError as error:
        logs.event(logger, f"cannot compare after the operation: {error}", logging.WARNING, app=app.id)
        return None


def _sync_error(comparison: comparing.Comparison, record: OperationRecord) -> None:
    """The condition SyncError says how the last operation failed, and goes with the next one that succeeds."""
    findings = comparison.findings
    assert findings is not None
    conditions = list(findings.conditions)
    if record.phase != SUCCEEDED:
        conditions.append(("SyncError", record.message))
    comparison.findings = statuses.replace(findings, conditions=conditions, owned=frozenset({"SyncError"}))


def _tell(engine: Engine, app: Application, record: OperationRecord, seconds: float) -> None:
    revision = ",".join(record.revisions)
    dry_run = bool(record.operation.sync and record.operation.sync.dry_run)
    metrics.sync_finished(app, record.phase, seconds, dry_run=dry_run)
    engine.outcome = record.phase if record.phase == SUCCEEDED else f"{record.phase}: {record.message}"
    engine.events.operation_completed(app, record.phase, revision, record.message)
    logs.event(
        logger, f"operation {record.phase}: {record.message}",
        logging.INFO if record.phase == SUCCEEDED else logging.WARNING,
        app=app.id, revision=revision, seconds=round(seconds, 3),
    )  # fmt: skip
    for entry in record.operation.info:
        if entry.name == WAITER:
            engine.store_result(entry.value, outcome(app, record), failed=False)


def outcome(app: Application, record: OperationRecord) -> dict[str, Any]:
    """What the ad hoc task answers: phase, message, revisions and a line for each object; no manifest."""
    return {
        "application": app.id,
        "phase": record.phase,
        "message": record.message,
        "revisions": list(record.revisions),
        "startedAt": record.started_at,
        "finishedAt": record.finished_at or None,
        "resources": [
            {k: r.get(k) for k in ("group", "kind", "namespace", "name", "status", "message", "hookPhase", "syncPhase")}
            for r in record.rows()
        ],
    }
