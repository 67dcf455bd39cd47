"""`status.history`: what was deployed, and the way back to it (specs section 5)."""

from __future__ import annotations

from typing import Any

from gitops.errors import SyncError
from gitops.model.application import Application
from gitops.model.objects import Object
from gitops.sync.ports import SUCCEEDED
from gitops.sync.record import OperationRecord


def append_history(app: Application, record: OperationRecord) -> list[dict[str, Any]]:
    """The Application's history with a finished operation at its end, trimmed to `spec.revisionHistoryLimit` entries.

    Only full, successful syncs that were no dry run are kept. Ids count up. The same operation is not entered twice.
    """
    entries: list[dict[str, Any]] = list(app.status.get("history") or [])
    limit = app.spec.revision_history_limit
    if record.phase != SUCCEEDED or not record.full:
        return entries
    if entries and entries[-1].get("deployStartedAt") == record.started_at:
        return entries
    initiated = record.operation.initiated_by.to_api()
    entry: dict[str, Any] = {
        "id": max([-1, *(int(e.get("id") or 0) for e in entries)]) + 1,
        "deployStartedAt": record.started_at,
        "deployedAt": record.finished_at,
        "initiatedBy": initiated,
    }
    if record.multi_source:
        entry |= {"revisions": list(record.revisions), "sources": list(record.sources)}
    else:
        entry["revision"] = record.revisions[0] if record.revisions else ""
        entry["source"] = record.sources[0] if record.sources else {"repoURL": ""}
    return ([*entries, entry][-limit:]) if limit > 0 else []


def rollback(obj: Object, entry: int | None = None, *, prune: bool = False) -> dict[str, Any]:
    """The `sync` block of an operation that deploys a history entry again; `entry` None: the one before the last.

    Takes the Application as read. Raises SyncError where auto-sync is on (it would go forward again at once), where
    there is no such entry, or the entry does not say its source.
    """
    app = Application.from_object(obj)
    automated = app.spec.sync_policy.automated
    if automated is not None and automated.enabled:
        raise SyncError(
            f"Application {app.id} cannot be rolled back while auto-sync is on; turn syncPolicy.automated off"
        )
    history: list[dict[str, Any]] = app.status.get("history") or []
    if entry is None:
        if len(history) < 2:
            raise SyncError(f"Application {app.id} has no earlier deployment to roll back to")
        found = history[-2]
    else:
        match = [candidate for candidate in history if int(candidate.get("id") or 0) == entry]
        if not match:
            raise SyncError(f"Application {app.id} has no deployment with id {entry} in its history")
        found = match[0]
    wanted: dict[str, Any] = {"prune": prune}
    if app.spec.sync_policy.sync_options:
        wanted["syncOptions"] = list(app.spec.sync_policy.sync_options)
    if found.get("sources"):
        return wanted | {"revisions": found.get("revisions") or [], "sources": found["sources"]}
    if not (found.get("source") or {}).get("repoURL"):
        raise SyncError(
            f"deployment {found.get('id')} of Application {app.id} does not say its source; sync a revision instead"
        )
    return wanted | {"revision": found.get("revision") or "", "source": found["source"]}
