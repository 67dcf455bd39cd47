"""The ear for Applications: what is added, changed and deleted is followed at once."""

from __future__ import annotations

import logging
import time

from gitops.cluster.watch import Event
from gitops.model.names import GROUP, REFRESH
from gitops.model.objects import Object, ObjectKey, annotations_of
from gitops.state import State
from gitops.state.queue import FETCH, Rank

logger = logging.getLogger("gitops.beat")


class ApplicationEars:
    """Keeps each Application's CR in Redis, gives it a due time, and wishes for a fetch where people changed it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def known(self) -> dict[ObjectKey, str]:
        """The Applications that Redis has, by resourceVersion: a new list tells only the difference."""
        versions = self._state.apps.versions()
        return {ObjectKey(GROUP, "Application", *app.split("/", 1)): version for app, version in versions.items()}

    def on_event(self, event: Event) -> None:
        """One event of the watch."""
        app = f"{event.key.namespace}/{event.key.name}"
        if event.type == "DELETED":
            self._state.apps.forget(app)
            logger.info("Application %s is gone", app)
        elif event.type in {"ADDED", "MODIFIED"}:
            self._changed(app, event.object)

    def _changed(self, app: str, obj: Object) -> None:
        changed = self._state.apps.put(app, obj)
        self._state.due.add(app, time.time())
        if changed:
            self._state.queue.want(FETCH, app, self._rank(app, obj))

    def _rank(self, app: str, obj: Object) -> Rank:
        """A person who asks (an operation, a refresh) goes first, and his repository is looked at anew."""
        if not obj.get("operation") and not annotations_of(obj).get(REFRESH):
            return Rank.POLL if not obj.get("status") else Rank.DRIFT
        desired = self._state.apps.desired(app)
        for tracked in desired.tracked if desired else ():
            self._state.refs.expire(tracked.url)
        return Rank.PERSON
