"""fetch: what should this application be? Resolves, renders what changed, and wishes for the comparison."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from gitops.errors import GitOpsError
from gitops.model.application import Application, repository_urls
from gitops.model.names import REFRESH, SKIP_RECONCILE
from gitops.model.objects import Object, annotations_of
from gitops.observe import logs
from gitops.reconcile.refs import Waiting
from gitops.reconcile.sources import failure
from gitops.state.apps import DesiredState, Flags, spec_digest
from gitops.state.queue import APPLY, Rank

if TYPE_CHECKING:
    from gitops.reconcile.engine import Engine
    from gitops.state import Entry

logger = logging.getLogger("gitops.fetch")


def fetch(engine: Engine, entry: Entry) -> None:
    """Make the desired state of an application and publish what follows from it.

    Every failure of the user's becomes the outcome, and the comparison writes it to the status.
    """
    app_id, kept = entry.app, entry.kept
    obj = engine.known(app_id, kept.application)
    if obj is None:
        engine.state.apps.forget(app_id)
        return
    spec, former = spec_digest(obj), kept.desired
    begun = time.monotonic()
    try:
        app = Application.from_object(obj)
        if app.annotations.get(SKIP_RECONCILE) == "true":
            return
        if app.deleting:
            engine.state.queue.want(APPLY, app_id, Rank.DRIFT)
            return
        outcome = _desired(engine, app, former)
    except Waiting:
        return
    except GitOpsError as error:
        outcome = failure(error, former, spec)
        logs.event(logger, f"fetch failed: {error}", logging.WARNING, app=app_id)
    else:
        outcome = replace(outcome, spec=spec)
        logs.bind(revision=",".join(outcome.revisions))
        if former is None or former.artifact != outcome.artifact:
            logs.event(
                logger, "rendered", app=app_id, revision=",".join(outcome.revisions), artifact=outcome.artifact,
                ms=round((time.monotonic() - begun) * 1000, 1),
            )  # fmt: skip
    # What failed waits for the next commit of its repositories all the same.
    urls = {t.url for t in outcome.tracked} | (repository_urls(obj) if outcome.error else set())
    before = {t.url for t in former.tracked} if former else ()
    flags = engine.state.apps.set_desired(app_id, outcome, kept.flags.anew, urls, before)
    _next(engine, app_id, obj, outcome, flags)


def _desired(engine: Engine, app: Application, former: DesiredState | None) -> DesiredState:
    config = engine.control.get()
    project = config.project(app)
    engine.validate(app, project, config)
    desires = engine.desires(app, project, config)
    hard = app.annotations.get(REFRESH) == "hard"
    sources = desires.resolve(app)
    return desires.make(app, project, config, engine.target(app, config), sources, former, hard=hard)


def _next(engine: Engine, app_id: str, obj: Object, outcome: DesiredState, flags: Flags) -> None:
    """Let the comparison follow if it could see a change, or wish for the operation that a person asked for."""
    if obj.get("operation"):
        engine.state.queue.want(APPLY, app_id, Rank.PERSON)
        return
    settled = flags.done == flags.spec == outcome.spec and flags.dirty == flags.seen and flags.full > time.time()
    # A refresh that is asked for while another one ends looks like that one: the comparison takes it away.
    engine.follow = not settled or flags.told != outcome.told or REFRESH in annotations_of(obj)
