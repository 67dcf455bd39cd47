"""The ear for ApplicationSets: what changes, in them or in their Applications, is looked at anew, and all by time."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from gitops.applicationset.rolling import CONTROLLER
from gitops.cluster import Event
from gitops.model.names import GROUP, SET_REFRESH
from gitops.model.objects import Object, ObjectKey, annotations_of
from gitops.state import State
from gitops.state.queue import GENERATE, SET_PREFIX, Rank

#: Many Applications change together: one look this many seconds after the first, and a later one for their status.
SOON, LATER = 1.0, 5.0
#: Looks come a little after the interval of the repositories' refs, so that these are old by then.
SLACK = 1.05


class Child(NamedTuple):
    """What is remembered of an Application that an ApplicationSet owns."""

    set_id: str
    #: Hashes of what people decide about it, and of what its status shows.
    meaning: int
    status: int
    #: Whether it is synced by its set's rollout, which goes on with what becomes of it.
    rolls: bool = False


class ApplicationSetEars:
    """Wishes for `generate`. `interval` in seconds: how often each ApplicationSet is looked at without a change."""

    def __init__(self, state: State, interval: float) -> None:
        self._state, self._interval = state, interval
        self._lock = threading.Lock()
        #: When each is looked at next, unix seconds.
        self._due: dict[str, float] = {}
        self._versions: dict[str, str] = {}
        self._meanings: dict[str, tuple[object, ...]] = {}
        self._children: dict[str, Child] = {}

    def known(self) -> dict[ObjectKey, str]:
        """The ApplicationSets that were heard of, by resourceVersion."""
        ids = list(self._versions.items())
        return {ObjectKey(GROUP, "ApplicationSet", *i.removeprefix(SET_PREFIX).split("/", 1)): rv for i, rv in ids}

    def on_event(self, event: Event) -> None:
        """One event of the watch of ApplicationSets, metadata only."""
        set_id = f"{SET_PREFIX}{event.key.namespace}/{event.key.name}"
        if event.type == "DELETED":
            with self._lock:
                self._due.pop(set_id, None)
            self._versions.pop(set_id, None)
            self._meanings.pop(set_id, None)
            self._state.queue.want(GENERATE, set_id, Rank.DRIFT)
        elif event.type in {"ADDED", "MODIFIED"}:
            meta = event.object["metadata"]
            asked = SET_REFRESH in annotations_of(event.object)
            meaning = (meta.get("uid"), meta.get("generation"), meta.get("deletionTimestamp"), asked)
            self._versions[set_id] = event.resource_version
            if self._meanings.get(set_id) == meaning:
                return
            self._meanings[set_id] = meaning
            with self._lock:
                self._due[set_id] = time.time() + self._interval * SLACK
            self._state.queue.want(GENERATE, set_id, Rank.PERSON if asked else Rank.DRIFT)

    def on_application(self, event: Event) -> None:
        """One event of the watch of Applications: an owned one that others change is put right, its status is shown."""
        app = f"{event.key.namespace}/{event.key.name}"
        before = self._children.get(app)
        if event.type == "DELETED":
            self._children.pop(app, None)
            if before:
                self._look(before.set_id, SOON)
        elif event.type in {"ADDED", "MODIFIED"}:
            now = _child(event.object)
            if now is None:
                self._children.pop(app, None)
                if before:
                    self._look(before.set_id, SOON)
                return
            self._children[app] = now
            if before is None or before.meaning != now.meaning:
                self._look(now.set_id, SOON)
            elif before.status != now.status:
                self._look(now.set_id, SOON if now.rolls else LATER)

    def look_soon(self) -> None:
        """Clusters, projects or credentials have changed: all are looked at."""
        with self._lock:
            soon = time.time() + SOON
            self._due = {set_id: min(due, soon) for set_id, due in self._due.items()}

    def tick(self, now: float) -> None:
        """Wish for what is due at `now`, unix seconds."""
        with self._lock:
            due = [set_id for set_id, at in self._due.items() if at <= now]
            self._due |= dict.fromkeys(due, now + self._interval * SLACK)
        if due:
            self._state.queue.want_all(GENERATE, due, Rank.POLL)

    def _look(self, set_id: str, seconds: float) -> None:
        with self._lock:
            if set_id in self._due:
                self._due[set_id] = min(self._due[set_id], time.time() + seconds)


def _child(app: Object) -> Child | None:
    """None for an Application that no ApplicationSet owns."""
    meta, status = app["metadata"], app.get("status") or {}
    references = meta.get("ownerReferences") or ()
    owners = [e for e in references if e.get("controller") and e.get("kind") == "ApplicationSet"]
    if not owners:
        return None
    decided = [app.get("spec"), meta.get("labels"), meta.get("annotations"), meta.get("finalizers"), references]
    sync, state = status.get("sync") or {}, status.get("operationState") or {}
    shown = [sync.get("status"), (status.get("health") or {}).get("status")]
    automated = ((app.get("spec") or {}).get("syncPolicy") or {}).get("automated") or {}
    by = ((state.get("operation") or {}).get("initiatedBy") or {}).get("username")
    rolls = automated.get("enabled") is False or by == CONTROLLER
    if rolls:
        shown += [sync.get("revision"), sync.get("revisions"), state.get("phase"), state.get("startedAt")]
    set_id = f"{SET_PREFIX}{meta['namespace']}/{owners[0].get('name')}"
    return Child(set_id, hash(repr(decided)), hash(repr(shown)), rolls)
