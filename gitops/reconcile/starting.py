"""The beginning of an operation: who may ask, for what, and what it is pinned to."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gitops.cluster import ApiError
from gitops.errors import GitOpsError, SyncError
from gitops.model.application import Application, Operation, SyncOperation
from gitops.model.names import GROUP
from gitops.model.objects import Object, ObjectKey
from gitops.project import next_change, window_decision
from gitops.reconcile import ending
from gitops.reconcile.refs import Waiting
from gitops.state.apps import DesiredState, spec_digest
from gitops.state.queue import FETCH, Rank
from gitops.sync import OperationRecord

if TYPE_CHECKING:
    from gitops.reconcile.engine import Engine

logger = logging.getLogger("gitops.apply")

#: Seconds after which the clock wakes an operation that nobody goes on with.
SAFETY_SECONDS = 60.0
#: How often a person's operation is written anew where the CR has changed in between.
CONFLICTS = 10


def begin(engine: Engine, app: Application, obj: Object) -> OperationRecord | None:
    """Begin the operation that the CR asks for; None where it has to wait for a fetch, or has ended at once."""
    assert app.operation is not None
    desired = engine.state.apps.desired(app.id)
    if desired is None or desired.spec != spec_digest(obj):
        engine.state.queue.want(FETCH, app.id, Rank.PERSON)
        return None
    try:
        pinned = _pin(engine, app, app.operation, desired)
        blocked = blocked_by_window(engine, app, manual=not app.operation.initiated_by.automated)
    except Waiting:
        return None
    except GitOpsError as error:
        _refuse(engine, app, start(engine, app, app.operation, desired), str(error))
        return None
    if blocked:
        # Not tried at any revision: when the window lets it, the policy goes for what is desired then.
        engine.state.apps.set_fields(app.id, tried="")
        _refuse(engine, app, start(engine, app, app.operation, replace(desired, revisions=())), blocked)
        return None
    return start(engine, app, app.operation, pinned)


def _refuse(engine: Engine, app: Application, record: OperationRecord, why: str) -> None:
    record.phase, record.message = "Error", why
    ending.end(engine, app, record, None)


def start(
    engine: Engine, app: Application, operation: Operation, desired: DesiredState, **fields: str
) -> OperationRecord:
    """A new operation, pinned to what is desired now; it rests in Redis from here on, with plain `fields`."""
    record = OperationRecord.begin(
        operation, app, artifact=desired.artifact, revisions=desired.revisions, now=datetime.now(UTC)
    )
    engine.state.operations.begin(app.id, record.to_json(), time.time() + SAFETY_SECONDS, **fields)
    if not operation.initiated_by.automated:
        engine.events.operation_started(app, ",".join(desired.revisions), operation.initiated_by.username or "unknown")
    # The status says so only where the operation has to wait; who wants to be told of its beginning is told here.
    engine.notices.tell_running(app, record.to_status())
    return record


def resume(engine: Engine, app: Application) -> OperationRecord | None:
    """The operation that only the CR remembers, pinned to the revisions that it had; None where none is under way.

    Raises what a fetch raises.
    """
    record = OperationRecord.resume(app)
    desired = engine.state.apps.desired(app.id)
    if record is None or desired is None:
        return record
    if record.revisions and record.revisions != desired.revisions:
        sync = record.operation.sync or SyncOperation()
        sync = sync.model_copy(update={"revision": "", "revisions": list(record.revisions)})
        desired = _pin(engine, app, record.operation.model_copy(update={"sync": sync}), desired)
    record.artifact = desired.artifact
    return record


def blocked_by_window(engine: Engine, app: Application, *, manual: bool, started: float | None = None) -> str:
    """Why the project's sync windows do not let the application sync now; empty where they do."""
    config = engine.control.get()
    cluster = engine.clusters.update(engine.control).find(app.spec.destination)
    decision = window_decision(
        config.project(app),
        app,
        datetime.now(UTC),
        manual=manual,
        operation_started_at=datetime.fromtimestamp(started, UTC) if started else None,
        server=cluster.server,
        cluster=cluster.name,
    )
    return "" if decision.allowed else f"cannot sync: blocked by sync window: {decision.reason}"


def window_changes_in(engine: Engine, app: Application) -> float | None:
    """Seconds until a sync window about the application opens or closes; None where none ever does."""
    cluster = engine.clusters.update(engine.control).find(app.spec.destination)
    project = engine.control.get().project(app)
    return next_change(project, app, datetime.now(UTC), server=cluster.server, cluster=cluster.name)


def _pin(engine: Engine, app: Application, operation: Operation, desired: DesiredState) -> DesiredState:
    """What the operation is to bring about: the spec's revision, or its own. Raises what a fetch raises."""
    sync = operation.sync
    if sync and sync.manifests:
        raise SyncError(
            "operation.sync.manifests (a local sync) is not served here; commit the manifests and sync a revision"
        )
    overridden = sync and (sync.source or sync.sources or sync.revision or sync.revisions)
    if not overridden:
        if desired.error:
            raise GitOpsError(desired.error[1])
        return desired
    assert sync is not None
    spec = app.spec.to_api()
    if sync.sources or sync.source:
        spec.pop("source", None)
        spec.pop("sources", None)
        spec |= {"sources": [s.to_api() for s in sync.sources]} if sync.sources else {"source": sync.source.to_api()}  # type: ignore[union-attr]
    wanted = Application.from_object({"metadata": app.metadata, "spec": spec, "status": app.status})
    config = engine.control.get()
    project = config.project(wanted)
    engine.validate(wanted, project, config)
    desires = engine.desires(wanted, project, config)
    revisions = tuple(sync.revisions) or ((sync.revision,) if sync.revision else ())
    sources = desires.resolve(wanted, revisions)
    return desires.make(wanted, project, config, engine.target(wanted, config), sources, None)


def request(
    engine: Engine,
    app_id: str,
    *,
    by: str,
    waiter: str = "",
    revision: str = "",
    prune: bool | None = None,
    dry_run: bool = False,
    force: bool = False,
    resources: list[dict[str, str]] | None = None,
    sync_options: list[str] | None = None,
) -> None:
    """Write an operation to the CR and wish for it (see Engine.request_sync).

    What others write to the CR meanwhile, such as a status of our own, refuses nobody: it is read and tried again, as
    Argo CD's API does. Another operation does.
    """
    sync: dict[str, Any] = {
        "revision": revision or None,
        "dryRun": dry_run or None,
        "syncStrategy": {"hook": {"force": True}} if force else None,
        "resources": resources or None,
        "syncOptions": sync_options or None,
    }
    operation: dict[str, Any] = {"initiatedBy": {"username": by}}
    if waiter:
        operation["info"] = [{"name": ending.WAITER, "value": waiter}]
    namespace, name = app_id.split("/", 1)
    for _ in range(CONFLICTS):
        obj = engine.application(app_id, fresh=True)
        if obj is None:
            raise SyncError(f"Application {app_id} does not exist")
        if waiter and _was_asked(obj, waiter):
            return
        if obj.get("operation"):
            raise SyncError(f"another operation of {app_id} is in progress; try again when it has ended")
        automated = Application.from_object(obj).spec.sync_policy.automated
        sync["prune"] = (automated is not None and automated.prune) if prune is None else prune
        operation["sync"] = {key: value for key, value in sync.items() if value is not None}
        patch = {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}, "operation": operation}
        try:
            changed = engine.clusters.control.merge_patch(ObjectKey(GROUP, "Application", namespace, name), patch)
            break
        except ApiError as error:
            if not error.conflict:
                raise
    else:
        raise SyncError(f"{app_id} is being changed by somebody else again and again; try again")
    engine.state.apps.put(app_id, changed)
    engine.state.look_anew(app_id)
    engine.state.queue.want(FETCH, app_id, Rank.PERSON)


def _was_asked(obj: Object, waiter: str) -> bool:
    """Whether this task's operation is asked for, under way, or the last that ended: its message has come again."""
    under_way = (obj.get("status") or {}).get("operationState") or {}
    entry = {"name": ending.WAITER, "value": waiter}
    return any(entry in ((op or {}).get("info") or ()) for op in (obj.get("operation"), under_way.get("operation")))
