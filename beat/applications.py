"""The ear for Applications: what is added, changed and deleted is followed at once."""

from __future__ import annotations

import logging
import time

from gitops.cluster import Event
from gitops.model.names import GROUP, REFRESH
from gitops.model.objects import Object, ObjectKey, annotations_of
from gitops.observe import trace
from gitops.observe.applications import AppSummary, summary
from gitops.state import State
from gitops.state.apps import spec_digest
from gitops.state.lease import Fence
from gitops.state.queue import APPLY, FETCH, Rank

logger = logging.getLogger("gitops.beat")


class ApplicationEars:
    """Keeps each Application's CR in Redis, gives it a due time, and wishes for a fetch where people changed it.

    `fence` is the leader's lease: one that has lost it forgets no application.
    """

    def __init__(self, state: State, fence: Fence | None = None) -> None:
        self._state, self._fence = state, fence
        #: About 1 KB for each Application: what the metrics show, and the resourceVersion.
        self.summaries: dict[str, AppSummary] = {}
        self._versions: dict[str, str] = {}
        self._decided: dict[str, str] = {}

    def known(self) -> dict[ObjectKey, str]:
        """The Applications that were heard of, by resourceVersion: a new list tells only the difference."""
        return {ObjectKey(GROUP, "Application", *app.split("/", 1)): rv for app, rv in self._versions.items()}

    def on_event(self, event: Event) -> None:
        """One event of the watch."""
        app = f"{event.key.namespace}/{event.key.name}"
        if event.type == "DELETED":
            self._gone(app)
        elif event.type in {"ADDED", "MODIFIED"}:
            self._changed(app, event)
        elif event.type == "SYNCED":
            for vanished in self._state.apps.ids() - self._versions.keys():
                self._gone(vanished)

    def _gone(self, app: str) -> None:
        if self._fence and not self._state.lease.stands(self._fence):
            return
        self._state.apps.forget(app)
        self._versions.pop(app, None)
        self.summaries.pop(app, None)
        self._decided.pop(app, None)
        logger.info("Application %s is gone", app)

    def _changed(self, app: str, event: Event) -> None:
        fresh = app not in self._versions
        self._versions[app] = event.resource_version
        self.summaries[app] = summary(event.object)
        # A worker's own patch may have brought this change to Redis before us: what was decided is remembered here too.
        digest = spec_digest(event.object)
        changed = self._state.apps.put(app, event.object, digest) or self._decided.get(app, digest) != digest
        self._decided[app] = digest
        if fresh or changed:
            self._state.due.add(app, time.time())
        if changed:
            with trace.publishing(FETCH, app) as published:
                if self._state.queue.want(FETCH, app, self._rank(app, event.object)):
                    published()
            if self._state.operations.is_parked(app):
                # A confirmation, or the wish to terminate it, is what a parked operation may be waiting for.
                self._state.queue.want(APPLY, app, Rank.PERSON)

    def _rank(self, app: str, obj: Object) -> Rank:
        """A person who asks (an operation, a refresh) goes first, and his repository is looked at anew."""
        if not obj.get("operation") and not annotations_of(obj).get(REFRESH):
            return Rank.DRIFT
        self._state.look_anew(app)
        return Rank.PERSON
