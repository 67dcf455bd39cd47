"""The end of an Application: what it made is deleted step by step, then its finalizers go."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from gitops.cluster import READERS, ApiError, UnknownKind, run_parallel
from gitops.errors import DeletionError, GitOpsError, InvalidSpecError, LockLost
from gitops.health import assess
from gitops.model.application import Application
from gitops.model.artifact import Artifact
from gitops.model.names import DELETION_APPROVED, POST_DELETE_FINALIZER, PRE_DELETE_FINALIZER
from gitops.model.objects import Object, ObjectKey, canonical, digest
from gitops.model.tracking import is_self_referenced, owner
from gitops.observe import logs
from gitops.reconcile import compare as comparing
from gitops.reconcile import status as statuses
from gitops.reconcile.control import ControlConfig
from gitops.reconcile.recording import RecordingClient
from gitops.reconcile.refs import Waiting
from gitops.reconcile.share import in_flight
from gitops.state.locks import Lock
from gitops.state.queue import APPLY, Rank
from gitops.sync import SUCCEEDED, Again, Context, Deletion, Done, Outcome, Parked, advance_deletion

if TYPE_CHECKING:
    from gitops.cluster import ClusterClient
    from gitops.reconcile.engine import Engine

logger = logging.getLogger("gitops.apply")

_OURS = "argocd.argoproj.io"
#: What stands for a deletion where operations rest between their steps.
DELETION = b"deletion"
#: Seconds until a deletion that waits, or failed, is looked at again by itself; after a failure that may pass; where
#: somebody else is at work.
RETRY_SECONDS, TRANSIENT_SECONDS, SOON_SECONDS = 30.0, 5.0, 1.0


def proceed(engine: Engine, app: Application, lock: Lock) -> None:
    """Make the steps of a deletion that can be made now; park it, woken by the watch, where it has to wait."""
    config = engine.control.get()
    if not any(_OURS in finalizer for finalizer in app.finalizers):
        return
    held, _, wishes = engine.state.apps.field(app.id, "held").partition("|")
    if float(held or 0) > time.time() and wishes == _wishes(app):
        engine.state.operations.park(app.id, float(held))
        return
    clusters = engine.clusters.update(engine.control)
    try:
        client = clusters.client(app.spec.destination)
    except InvalidSpecError as error:
        if str(error) in clusters.broken.values():
            # The cluster is known; its Secret can be mended, and nothing is left behind there.
            _hold(engine, app, str(error), time.time() + RETRY_SECONDS)
            return
        # The destination is unknown: nothing can be deleted there, and the Application must not stay for ever.
        logs.event(logger, f"deleted without its objects: {error}", logging.WARNING, app=app.id)
        _drop(engine, app, [f for f in app.finalizers if _OURS in f])
        return
    outcome = _steps(engine, app, client, config, lock)
    if not isinstance(outcome, Parked):
        engine.state.operations.clear(app.id)
        logs.event(logger, "deleted", app=app.id)
        return
    latest = time.time() + RETRY_SECONDS
    until = min(outcome.until or latest, latest)
    if outcome.failed:
        _hold(engine, app, outcome.reason, until)
    else:
        _wait(engine, app, until)
        _say(engine, app, "")


def _steps(engine: Engine, app: Application, client: ClusterClient, config: ControlConfig, lock: Lock) -> Outcome:
    """The steps that can be made now. Raises LockLost; any other failure is one that is tried again."""
    outcome: Outcome = Again()
    try:
        while isinstance(outcome, Again):
            current = engine.application(app.id, fresh=True)
            if current is None:
                engine.state.apps.forget(app.id)
                return Done(SUCCEEDED, "the Application is gone")
            app = Application.from_object(current)
            outcome = _step(engine, app, client, config, lock)
    except LockLost:
        raise
    except Waiting as error:
        return Parked(str(error), until=time.time() + SOON_SECONDS)
    except GitOpsError as error:
        seconds = TRANSIENT_SECONDS if error.transient else RETRY_SECONDS
        return Parked(str(error), until=time.time() + seconds, failed=True)
    return outcome


def _wait(engine: Engine, app: Application, until: float) -> None:
    engine.state.operations.put(app.id, DELETION)
    engine.state.operations.park(app.id, until)


def _hold(engine: Engine, app: Application, why: str, until: float) -> None:
    """What went wrong is a condition, and is not tried again before its time, whatever the watch tells of objects.

    Only what a person changes in the Application ends the pause.
    """
    engine.state.apps.set_fields(app.id, held=f"{until:.3f}|{_wishes(app)}")
    _wait(engine, app, until)
    _say(engine, app, why)
    logs.event(logger, f"cannot delete: {why}", logging.WARNING, app=app.id)


def _wishes(app: Application) -> str:
    """A digest of what a person decides about a deletion."""
    return digest(canonical([app.spec.to_api(), app.finalizers, app.annotations]))


def _say(engine: Engine, app: Application, why: str) -> None:
    """The condition DeletionError, or none."""
    present = app.status.get("conditions") or []
    found = [(DeletionError.condition, why)] if why else []
    said = statuses.conditions(present, found, owned=frozenset({DeletionError.condition}), only=True)
    if said != present:
        comparing.write_patch(engine, app, {"status": {"conditions": said}})


def _step(engine: Engine, app: Application, client: ClusterClient, config: ControlConfig, lock: Lock) -> Outcome:
    artifact = _artifact(engine, app)
    recorded = RecordingClient(client)
    context = Context(
        client=recorded,
        check_lock=lambda: engine.state.locks.check(lock),
        health=lambda obj: assess(obj, overrides=config.health_checks),
        deletion_approved=app.annotations.get(DELETION_APPROVED, ""),
        wave_delay=engine.settings.wave_delay,
    )
    server = engine.server_of(app)
    deletion = Deletion(
        app,
        artifact.objects if artifact else (),
        _live(engine, app, client, config, artifact),
        lambda finalizer: _drop(engine, app, [finalizer]),
        lambda count: in_flight(engine, server, recorded, count),
    )
    return advance_deletion(deletion, context)


def _artifact(engine: Engine, app: Application) -> Artifact | None:
    """The desired objects. Where Redis lost them and there are delete hooks, they are rendered anew.

    Raises what a fetch raises: without its hooks an Application is not deleted.
    """
    desired = engine.state.apps.desired(app.id)
    found = engine.state.artifacts.get(desired.artifact) if desired and desired.artifact else None
    if found is not None or not {PRE_DELETE_FINALIZER, POST_DELETE_FINALIZER} & set(app.finalizers):
        return found
    config = engine.control.get()
    project = config.project(app)
    engine.validate(app, project, config)
    desires, sync = engine.desires(app, project, config), app.status.get("sync") or {}
    deployed = tuple(sync.get("revisions") or ([sync["revision"]] if sync.get("revision") else ()))
    made = desires.make(app, project, config, engine.target(app, config), desires.resolve(app, deployed), None)
    engine.state.apps.set_desired(app.id, made)
    return engine.state.artifacts.get(made.artifact)


def _live(
    engine: Engine, app: Application, client: ClusterClient, config: ControlConfig, artifact: Artifact | None
) -> list[Object]:
    """Everything in the cluster that carries the application's marks, by status, Artifact and the live index."""
    keys = {_key(row) for row in app.status.get("resources") or []}
    keys |= {m.key for m in artifact.objects} if artifact else set()
    observed = engine.state.live.snapshot(app.id, engine.server_of(app)).observed
    keys |= {key for key, version in observed.items() if version > 0}
    mine = app.instance(engine.settings.namespace)
    found = []
    for outcome in run_parallel(client.get, sorted(keys), READERS):
        if isinstance(outcome.error, UnknownKind):
            continue
        if outcome.error is not None:
            raise outcome.error
        live = outcome.value
        if live is None or owner(live, config.tracking, config.instance_label, config.installation_id) != mine:
            continue
        if is_self_referenced(live, None, config.tracking):
            found.append(live)
    return found


def _key(row: dict[str, str]) -> ObjectKey:
    return ObjectKey(row.get("group", ""), row.get("kind", ""), row.get("namespace", ""), row.get("name", ""))


def _drop(engine: Engine, app: Application, finalizers: list[str]) -> None:
    """Take finalizers off the CR; one that is gone already has none."""
    left = [f for f in app.finalizers if f not in finalizers]
    version = app.metadata.get("resourceVersion")
    try:
        engine.patch(app, {"metadata": {"finalizers": left, "resourceVersion": version}})
    except ApiError as error:
        if error.conflict:
            engine.state.queue.want(APPLY, app.id, Rank.DRIFT)
        elif not error.not_found:
            raise
