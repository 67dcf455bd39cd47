"""The end of an Application: what it made is deleted step by step, then its finalizers go."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from gitops.cluster import ApiError, UnknownKind
from gitops.errors import GitOpsError, InvalidSpecError
from gitops.health import assess
from gitops.model.application import Application
from gitops.model.artifact import Artifact
from gitops.model.names import DELETION_APPROVED
from gitops.model.objects import Object, ObjectKey
from gitops.model.tracking import is_self_referenced, owner
from gitops.observe import logs
from gitops.reconcile import compare as comparing
from gitops.reconcile.control import ControlConfig
from gitops.state.locks import Lock
from gitops.state.queue import APPLY, Rank
from gitops.sync import Again, Context, Deletion, Outcome, Parked, advance_deletion

if TYPE_CHECKING:
    from gitops.cluster import ClusterClient
    from gitops.reconcile.engine import Engine

logger = logging.getLogger("gitops.apply")

_OURS = "argocd.argoproj.io"


def proceed(engine: Engine, app: Application, lock: Lock) -> None:
    """Make the steps of a deletion that can be made now; park it, woken by the watch, where it has to wait."""
    config = engine.control.get()
    if not any(_OURS in finalizer for finalizer in app.finalizers):
        return
    try:
        clusters = engine.clusters.update(engine.control)
        client = clusters.client(app.spec.destination)
    except InvalidSpecError as error:
        # The destination is unknown: nothing can be deleted there, and the Application must not stay for ever.
        logs.event(logger, f"deleted without its objects: {error}", logging.WARNING, app=app.id)
        _drop(engine, app, [f for f in app.finalizers if _OURS in f])
        return
    outcome: Outcome = Again()
    try:
        while isinstance(outcome, Again):
            current = engine.application(app.id, fresh=True)
            if current is None:
                engine.state.apps.forget(app.id)
                return
            app = Application.from_object(current)
            outcome = _step(engine, app, client, config, lock)
    except GitOpsError as error:
        comparing.report(engine, app.id, error)
        outcome = Parked(str(error))
    if isinstance(outcome, Parked):
        engine.state.operations.put(app.id, b"deletion")
        engine.state.operations.park(app.id, min(outcome.until or time.time() + 30.0, time.time() + 30.0))
    else:
        engine.state.operations.clear(app.id)
        logs.event(logger, "deleted", app=app.id)


def _step(engine: Engine, app: Application, client: ClusterClient, config: ControlConfig, lock: Lock) -> Outcome:
    artifact = _artifact(engine, app)
    context = Context(
        client=client,
        check_lock=lambda: engine.state.locks.check(lock),
        health=lambda obj: assess(obj, overrides=config.health_checks),
        deletion_approved=app.annotations.get(DELETION_APPROVED, ""),
        wave_delay=engine.settings.wave_delay,
    )
    deletion = Deletion(
        app,
        artifact.objects if artifact else (),
        _live(engine, app, client, config, artifact),
        lambda finalizer: _drop(engine, app, [finalizer]),
    )
    return advance_deletion(deletion, context)


def _artifact(engine: Engine, app: Application) -> Artifact | None:
    desired = engine.state.apps.desired(app.id)
    return engine.state.artifacts.get(desired.artifact) if desired and desired.artifact else None


def _live(
    engine: Engine, app: Application, client: ClusterClient, config: ControlConfig, artifact: Artifact | None
) -> list[Object]:
    """Everything in the cluster that carries the application's marks, by status, Artifact and the live index."""
    keys = {_key(row) for row in app.status.get("resources") or []}
    keys |= {m.key for m in artifact.objects} if artifact else set()
    keys |= {key for key, version in engine.state.live.snapshot(app.id).observed.items() if version > 0}
    mine = app.instance(engine.settings.namespace)
    found = []
    for key in sorted(keys):
        try:
            live = client.get(key)
        except UnknownKind:
            continue
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
