"""operate: one operation of an application, step by step. Waiting is parking; a killed worker loses nothing."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gitops.cluster import ClusterClient
from gitops.errors import GitOpsError, LockLost
from gitops.health import assess
from gitops.model.application import Application, operation_state
from gitops.model.artifact import Artifact
from gitops.model.names import DELETION_APPROVED
from gitops.model.objects import Object, ObjectKey, gvk_of
from gitops.model.project import AppProject
from gitops.model.tracking import owner
from gitops.observe import logs, trace
from gitops.project import impersonated_user
from gitops.reconcile import compare as comparing
from gitops.reconcile import ending, parking
from gitops.reconcile.control import ControlConfig
from gitops.reconcile.look import note_of
from gitops.reconcile.planning import make_plan
from gitops.reconcile.recording import RecordingClient
from gitops.reconcile.refs import Waiting
from gitops.reconcile.share import in_flight
from gitops.reconcile.starting import SAFETY_SECONDS, begin, resume
from gitops.state.live import Note, Snapshot
from gitops.state.locks import Lock
from gitops.state.queue import APPLY, DIFF, FETCH, Rank
from gitops.sync import ERROR, Again, Context, Done, OperationRecord, Outcome, Parked, advance

if TYPE_CHECKING:
    from gitops.reconcile.engine import Engine
    from gitops.state import Entry

logger = logging.getLogger("gitops.apply")

#: One task call goes on with steps that can be made at once for this many seconds, then lets others have the worker.
TURN_SECONDS = 2.0
#: Seconds after which the clock wakes an operation whose step failed.
AGAIN_SECONDS = 5.0


@dataclass(slots=True)
class Run:
    """An operation in one task call."""

    app: Application
    record: OperationRecord
    lock: Lock
    config: ControlConfig
    project: AppProject
    server: str
    client: RecordingClient
    artifact: Artifact
    snapshot: Snapshot


def operate(engine: Engine, entry: Entry) -> None:
    """Go on with the application's operation, or begin the one that its CR asks for."""
    app_id, kept, lock = entry.app, entry.kept, entry.lock
    obj = engine.known(app_id, kept.application)
    if obj is None:
        engine.state.apps.forget(app_id)
        return
    app = Application.from_object(obj)
    if app.deleting:
        from gitops.reconcile import deletion

        deletion.proceed(engine, app, lock)
        return
    resting = kept.operation
    if resting == b"deletion":
        engine.state.operations.clear(app_id)
        resting = None
    if resting:
        record: OperationRecord | None = OperationRecord.from_json(resting)
    elif app.operation:
        record = begin(engine, app, obj)
        if record is None:
            return
    else:
        try:
            record = resume(engine, app)
        except Waiting:
            engine.state.operations.park(app_id, time.time() + 1.0)
            return
    if record is None:
        engine.state.queue.want(DIFF, app_id, Rank.DRIFT)
    elif record.finished:
        ending.end(engine, app, record, None)
    else:
        engine.state.operations.park(app_id, time.time() + SAFETY_SECONDS)
        carry_on(engine, app, record, lock)


def carry_on(
    engine: Engine,
    app: Application,
    record: OperationRecord,
    lock: Lock,
    comparison: comparing.Comparison | None = None,
) -> None:
    """Make the steps that can be made now. `comparison` is one that was just made of this application.

    Whatever becomes of this call, the clock wakes the operation again: soon after a failure that may pass (the cluster
    does not answer), and after any other end that left nothing behind at the time for which it is parked already. What
    cannot pass ends it.
    """
    try:
        _go_on(engine, app, record, lock, comparison)
    except LockLost:
        raise
    except GitOpsError as error:
        if error.transient:
            engine.state.operations.park(app.id, time.time() + AGAIN_SECONDS)
            raise
        record.phase, record.message = ERROR, str(error)
        ending.end(engine, app, record, None)
    except Exception:
        engine.state.operations.park(app.id, time.time() + AGAIN_SECONDS)
        raise


def _go_on(
    engine: Engine,
    app: Application,
    record: OperationRecord,
    lock: Lock,
    comparison: comparing.Comparison | None,
) -> None:
    logs.bind(revision=",".join(record.revisions), operation=record.started_at)
    run = _prepare(engine, app, record, lock, comparison.snapshot if comparison else None)
    if run is None:
        return
    dirty = run.snapshot.dirty
    outcome: Outcome = Again()
    deadline = time.monotonic() + TURN_SECONDS
    while isinstance(outcome, Again):
        if record.needs_plan:
            if record.retry_refresh and record.retry_count and not _repin(engine, run):
                return
            comparison = comparison or _look(engine, app, record)
            if not make_plan(engine, run, comparison):
                engine.state.operations.park(app.id, time.time() + AGAIN_SECONDS)
                return
            comparison = None
        outcome = _step(engine, run)
        engine.state.operations.put(app.id, record.to_json())
        if time.monotonic() > deadline:
            break
    shown = parking.look(engine, run, outcome) if isinstance(outcome, Parked) else None
    notes = {**_notes(run), **(shown.view.notes if shown and shown.view else {})}
    newer = engine.state.live.settle(app.id, dirty, notes, run.server)
    if isinstance(outcome, Done):
        ending.end(engine, app, record, run)
    elif isinstance(outcome, Parked):
        parking.park(engine, run, outcome, shown)
    if isinstance(outcome, Again):
        # Its turn is over, not its work: what people, pushes and drift ask of other applications comes first.
        engine.state.queue.want(APPLY, app.id, Rank.POLL)
    elif newer:
        engine.state.queue.want(APPLY, app.id, Rank.DRIFT)


def _prepare(
    engine: Engine, app: Application, record: OperationRecord, lock: Lock, snapshot: Snapshot | None
) -> Run | None:
    config = engine.control.get()
    project = config.project(app)
    engine.validate(app, project, config)
    clusters = engine.clusters.update(engine.control)
    cluster = clusters.find(app.spec.destination)
    artifact = engine.state.artifacts.get(record.artifact)
    if artifact is None:
        # Redis lost it: rendered again, it has the same address.
        engine.state.queue.want(FETCH, app.id, Rank.DRIFT)
        engine.state.operations.park(app.id, time.time() + 1.0)
        return None
    user = impersonated_user(project, cluster.server, app.spec.destination.namespace) or ""
    client: ClusterClient = clusters.client(app.spec.destination, user=user)
    return Run(
        app=app,
        record=record,
        lock=lock,
        config=config,
        project=project,
        server=cluster.server,
        client=RecordingClient(client),
        artifact=artifact,
        snapshot=snapshot or engine.state.live.snapshot(app.id, cluster.server),
    )


def _repin(engine: Engine, run: Run) -> bool:
    """A retry that refreshes goes for the newest revision; False where its Artifact is being made."""
    desired = engine.state.apps.desired(run.app.id)
    if desired is None or desired.error or desired.artifact == run.record.artifact:
        return True
    artifact = engine.state.artifacts.get(desired.artifact)
    if artifact is None:
        return False
    run.record.artifact, run.record.revisions, run.artifact = desired.artifact, desired.revisions, artifact
    return True


def _look(engine: Engine, app: Application, record: OperationRecord) -> comparing.Comparison | None:
    """A comparison with what the operation is pinned to."""
    kept = engine.state.apps.kept(app.id)
    assert kept.desired is not None
    pinned = replace(kept.desired, artifact=record.artifact, revisions=record.revisions, error=None)
    return comparing.look(engine, app, pinned, kept.flags)


def _step(engine: Engine, run: Run) -> Outcome:
    """One step, under the cluster's in-flight limit that all workers share."""
    checks = run.config.health_checks
    tasks = len(run.record.plan.tasks) if run.record.plan else 1
    with in_flight(engine, run.server, run.client, tasks) as slots:
        context = Context(
            client=run.client,
            check_lock=lambda: engine.state.locks.check(run.lock),
            save=lambda record: engine.state.operations.put(run.app.id, record.to_json()),
            health=lambda obj: assess(obj, overrides=checks, has_status=_has_status(run, obj)),
            respect_ignored=_respect(run),
            owns=lambda live: _owner(engine, run, live),
            deletion_approved=run.app.annotations.get(DELETION_APPROVED, ""),
            terminate=operation_state(run.app).get("phase") == "Terminating",
            parallel=slots,
            wave_delay=engine.settings.wave_delay,
        )
        with logs.step(logger, "step"), trace.span("step"):
            return advance(run.record, run.artifact, context)


def _respect(run: Run) -> Any:
    from gitops.diff import IgnoreRules, respect_ignore_differences

    rules = IgnoreRules.build(run.app.spec.ignore_differences, run.config.settings)
    return lambda target, live: respect_ignore_differences(target, live, rules)


def _has_status(run: Run, obj: Object) -> bool | None:
    gvk = gvk_of(obj)
    known: bool | None = run.client.discovery.has_status(gvk.group, gvk.kind)
    return known


def _owner(engine: Engine, run: Run, live: Object) -> bool:
    config = run.config
    mine = run.app.instance(engine.settings.namespace)
    return owner(live, config.tracking, config.instance_label, config.installation_id) == mine


def _notes(run: Run) -> dict[ObjectKey, Note | None]:
    """What was written is known: its echo by the watch is no drift."""
    manifests = {m.key: m for m in run.artifact.objects}
    notes: dict[ObjectKey, Note | None] = {}
    for key, live in run.client.written.items():
        note = note_of(
            live,
            manifests.get(key),
            synced=True,
            extra=key not in manifests,
            checks=run.config.health_checks,
            has_status=_has_status(run, live),
        )
        # What no manifest names by this key is a hook with a generated name.
        notes[key] = replace(note, hook=key not in manifests, applied=key in run.client.applied)
    return notes


def request(engine: Engine, app_id: str, *, by: str, waiter: str, **options: Any) -> None:
    """Write an operation to the CR (see Engine.request_sync)."""
    from gitops.reconcile.starting import request as ask

    ask(engine, app_id, by=by, waiter=waiter, **options)


__all__ = ["Run", "carry_on", "operate", "request"]
