"""The ear for managed objects of one cluster: metadata only, and what the engine did not write itself is drift."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from math import inf
from sys import intern
from typing import NamedTuple

from beat.telling import Change, Telling
from gitops.cluster.watch import Event
from gitops.model.objects import GVK, Object, ObjectKey
from gitops.observe import metrics
from gitops.state import State
from gitops.state.lease import Fence

#: A rollout changes a Deployment's status several times; one comparison this many seconds after the first is enough.
DEBOUNCE_SECONDS = 0.5


class Seen(NamedTuple):
    """What is remembered of an object, about 300 bytes with its key."""

    app: str
    version: int
    #: A hash of the metadata that people and controllers decide about; the same while only the status changes.
    meaning: int


class ObjectEars:
    """Tells Redis what changes. `owner(obj)` gives an object's application as `namespace/name`, "" for none.

    What `on_event` hears is told by `tell`, which is called after each round of events, by the same thread.
    `fence` is the lease under which the cluster is followed: once another has it, nothing that we tell counts.
    """

    def __init__(self, state: State, server: str, owner: Callable[[Object], str], fence: Fence | None = None) -> None:
        self._state, self._server, self._owner, self._fence = state, server, owner, fence
        self._seen: dict[ObjectKey, Seen] = {}
        self._telling = Telling(state.live, server, fence)

    def __len__(self) -> int:
        return len(self._seen)

    def known(self, gvk: GVK) -> dict[ObjectKey, str]:
        """The objects of a kind that were seen, by resourceVersion."""
        return {k: str(s.version) for k, s in self._seen.items() if k.group == gvk.group and k.kind == gvk.kind}

    def on_event(self, event: Event) -> None:
        """One event of a watch of this cluster."""
        if event.type == "DELETED":
            self._gone(event)
        elif event.type in {"ADDED", "MODIFIED"}:
            self._changed(event)
        else:
            return
        metrics.cluster_event(self._server, event.key.group, event.key.kind)

    def _changed(self, event: Event) -> None:
        before = self._seen.get(event.key)
        app = self._owner(event.object)
        meta = event.object.get("metadata") or {}
        now = Seen(intern(app), int(event.resource_version), _meaning(meta))
        if before and before.app and before.app != app:
            # It was ours and now says that it is another's: the one that lost it looks.
            self._telling.add(before.app, event.key, Change(now.version, gone=True))
        if not app:
            self._seen.pop(event.key, None)
            return
        self._seen[event.key] = now
        quiet = bool(before and before.meaning == now.meaning and meta.get("generation"))
        later = time.time() + DEBOUNCE_SECONDS if quiet else 0.0
        self._telling.add(app, event.key, Change(now.version, quiet=quiet, later=later))

    def _gone(self, event: Event) -> None:
        before = self._seen.pop(event.key, None)
        app = before.app if before else self._owner(event.object)
        if app:
            version = int(event.resource_version or 0) or (before.version + 1 if before else 1)
            self._telling.add(app, event.key, Change(version, gone=True))

    def tell(self, now: float = inf) -> float:
        """Tell what is due at `now`, by time.monotonic(). Returns the seconds until more is; inf: nothing waits."""
        return self._telling.tell(now)

    def sweep(self, kinds: set[tuple[str, str]], apps: Iterable[str] | None = None) -> None:
        """After the first lists of these kinds: what Redis knows of them and no list had may be gone.

        `apps` are the applications of this cluster; None: all there are.

        So for what the watcher saw before, and what was compared before anybody watched its kind. It is told
        at the version that is known, so that an object which lives on, without our label, is read once and no more.
        """
        mine = sorted(self._state.apps.ids() if apps is None else apps)
        live, server = self._state.live, self._server
        for known in (live.observed_of(mine, server), live.compared_of(mine, server)):
            live.observe_all(
                [
                    live.observing(app, key, version, server=server, gone=True, fence=self._fence)
                    for app, versions in known.items()
                    for key, version in versions.items()
                    if version > 0 and (key.group, key.kind) in kinds and key not in self._seen
                ]
            )


#: Annotations that a controller writes as part of a rollout.
_NOISE = ("deployment.kubernetes.io/", "control-plane.alpha.kubernetes.io/")


def _meaning(meta: Object) -> int:
    annotations = meta.get("annotations") or {}
    return hash(
        (
            meta.get("generation"),
            meta.get("deletionTimestamp"),
            tuple(sorted((meta.get("labels") or {}).items())),
            tuple(sorted((k, v) for k, v in annotations.items() if not k.startswith(_NOISE))),
            tuple(meta.get("finalizers") or ()),
        )
    )
