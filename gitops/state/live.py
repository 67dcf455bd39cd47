"""The live index: resourceVersions of managed objects, as watched and as last compared."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import redis

from gitops.model.health import Health
from gitops.model.names import IN_CLUSTER_SERVER
from gitops.model.objects import ObjectKey
from gitops.state.keys import Keys
from gitops.state.lease import Fence
from gitops.state.queue import APPLY, DIFF, Queue, Rank
from gitops.state.scripts import FENCED, Call, Scripts

#: Seconds for which the kinds that a process has noted are taken to be in Redis.
NOTED_SECONDS = 10.0
#: What observe answers.
ECHO, PUBLISHED, JOINED, PUT_OFF, LEFT, REFUSED = 0, 1, 2, 3, 4, -1


@dataclass(frozen=True, slots=True)
class Note:
    """What the last comparison made of one object: at this version, against this manifest, it found this."""

    resource_version: int
    #: Digest of the manifest; "" for an object that is live only.
    manifest: str
    synced: bool
    version: str
    health: Health | None = None
    #: Live only: it is to be pruned, unless it has no sync status.
    extra: bool = False
    #: Without a sync status of its own: a hook, or an object that only carries another one's marks.
    hook: bool = False
    foreign: bool = False
    #: The instance name of another application that owns the object too; "" where there is none.
    shared: str = ""
    #: It makes the application OutOfSync no more (compare option IgnoreExtraneous).
    uncounted: bool = False
    #: A person has to confirm its deletion.
    confirm: bool = False
    #: It is as our own apply of this manifest left it: another one would change nothing.
    applied: bool = False

    def dump(self) -> str:
        health = [self.health.status, self.health.message, self.health.rule] if self.health else None
        flags = [self.extra, self.hook, self.foreign, self.shared, self.uncounted, self.confirm, self.applied]
        while flags and not flags[-1]:
            flags.pop()
        rest = orjson.dumps([self.manifest, self.synced, self.version, health, *flags]).decode()
        return f"{self.resource_version}|{rest}"

    @classmethod
    def load(cls, text: bytes) -> Note:
        version, rest = text.split(b"|", 1)
        manifest, synced, api_version, health, *flags = orjson.loads(rest)
        return cls(int(version), manifest, synced, api_version, Health(*health) if health else None, *flags)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The index of one application at one moment."""

    #: The counter that the watcher raises; given back to `settle`.
    dirty: str
    #: As the watcher saw it; a negative version is that of an object's deletion.
    observed: dict[ObjectKey, int] = field(default_factory=dict)
    compared: dict[ObjectKey, Note] = field(default_factory=dict)
    #: The cluster that it is of.
    server: str = IN_CLUSTER_SERVER


class LiveIndex:
    """About 100 bytes for each managed object in each of two hashes; it goes with its application.

    `server` is the URL of the cluster that an object is on: an application that moves leaves its objects on the former
    one, and what is known of them says nothing of those on the next.
    """

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys, queue: Queue) -> None:
        self._redis, self._scripts, self._keys, self._queue = client, scripts, keys, queue
        #: Per cluster, the kinds that this process has noted, and until when they count (time.monotonic()).
        self._noted: dict[str, tuple[frozenset[tuple[str, str]], float]] = {}

    def observe(self, app: str, key: ObjectKey, resource_version: int, **how: Any) -> int:
        """The watcher saw an object: `observe_all` of what `observing` gives."""
        return self.observe_all([self.observing(app, key, resource_version, **how)])[0]

    def observing(
        self,
        app: str,
        key: ObjectKey,
        resource_version: int,
        *,
        server: str = IN_CLUSTER_SERVER,
        gone: bool = False,
        quiet: bool = False,
        later: float = 0.0,
        fence: Fence | None = None,
    ) -> Call:
        """The watcher saw an object at this version. Wishes for `diff`, or `apply` where an operation is under way.

        A quiet change (only its status) is compared at `later`, unix seconds, so that a rollout costs few comparisons.
        `fence`: the lease that the watcher acts under; where it has lost it, nothing is changed.
        """
        diff = self._queue.message(DIFF, app, Rank.DRIFT)
        apply = self._queue.message(APPLY, app, Rank.DRIFT)
        return Call(
            f"{FENCED}observe" if fence else "observe",
            [
                self._keys.observed(app),
                self._keys.compared(app),
                self._keys.app(app),
                self._keys.lock("cluster", app),
                *self._queue.lists(DIFF),
                *self._queue.lists(APPLY),
                self._keys.soon,
                *([fence.key] if fence else ()),
            ],
            [
                _place(server) + key.encode(),
                resource_version,
                int(gone),
                int(quiet),
                later,
                app,
                diff.id,
                diff.payload,
                apply.id,
                apply.payload,
                *([fence.token] if fence else ()),
            ],
        )

    def observe_all(self, seen: Sequence[Call]) -> list[int]:
        """Note what the watcher saw, in one round trip.

        Returns ECHO, PUBLISHED, JOINED, PUT_OFF, LEFT or REFUSED for each.
        """
        return [int(answer) for answer in self._scripts.together(seen)]

    def snapshot(self, app: str, server: str = IN_CLUSTER_SERVER) -> Snapshot:
        """The index of one application on one cluster."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hget(self._keys.app(app), "dirty")
        pipe.hgetall(self._keys.observed(app))
        pipe.hgetall(self._keys.compared(app))
        dirty, observed, compared = pipe.execute()
        return Snapshot(
            dirty=dirty.decode() if dirty else "0",
            observed={key: int(version) for key, version in _on(server, observed)},
            compared={key: Note.load(note) for key, note in _on(server, compared)},
            server=server,
        )

    def settle(
        self, app: str, dirty: str, notes: Mapping[ObjectKey, Note | None], server: str = IN_CLUSTER_SERVER
    ) -> bool:
        """Note what was compared (None forgets an object). True where the watcher saw something newer meanwhile."""
        return bool(self._scripts.together([self.settling(app, dirty, notes, server)])[0])

    def settling(
        self, app: str, dirty: str, notes: Mapping[ObjectKey, Note | None], server: str = IN_CLUSTER_SERVER
    ) -> Call:
        """What `settle` calls, for others to call together with what they have.

        Where the watcher saw something newer while the lock was held, its release wishes for another look.
        """
        place = _place(server)
        args: list[str] = [dirty, place]
        for key, note in notes.items():
            args += [place + key.encode(), note.dump() if note else ""]
        keys = [self._keys.observed(app), self._keys.compared(app), self._keys.app(app)]
        return Call("settle", keys, args)

    def observed_of(self, apps: Sequence[str], server: str = IN_CLUSTER_SERVER) -> dict[str, dict[ObjectKey, int]]:
        """What was observed of many applications on one cluster, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for app in apps:
            pipe.hgetall(self._keys.observed(app))
        return {
            app: {key: int(version) for key, version in _on(server, versions)}
            for app, versions in zip(apps, pipe.execute(), strict=True)
        }

    def compared_of(self, apps: Sequence[str], server: str = IN_CLUSTER_SERVER) -> dict[str, dict[ObjectKey, int]]:
        """The resourceVersions that comparisons of many applications noted on one cluster, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for app in apps:
            pipe.hgetall(self._keys.compared(app))
        return {
            app: {key: Note.load(note).resource_version for key, note in _on(server, notes)}
            for app, notes in zip(apps, pipe.execute(), strict=True)
        }

    def compare_at(self, app: str, when: float) -> None:
        """Compare the application at `when`, unix seconds, if nothing asks for it before."""
        self._redis.zadd(self._keys.soon, {app: when}, lt=True)

    # --- which kinds are worth a watch ---

    def use_kinds(self, cluster: str, kinds: Iterable[tuple[str, str]]) -> None:
        """Note (group, kind) pairs that applications have on a cluster, so that the watcher follows them.

        What this process has noted it does not note again for some seconds; so long Redis is without it after a loss.
        """
        noted, until = self._noted.get(cluster, (frozenset(), 0.0))
        wanted, now = frozenset(kinds), time.monotonic()
        if wanted <= noted and now < until:
            return
        entries = sorted(f"{group}|{kind}" for group, kind in wanted)
        if entries:
            self._scripts.together(
                [("SADD", self._keys.kinds(cluster), *entries), ("SADD", self._keys.clusters, cluster)]
            )
            self._noted[cluster] = (noted | wanted, until) if now < until else (wanted, now + NOTED_SECONDS)

    def kinds(self) -> dict[str, set[tuple[str, str]]]:
        """Per cluster, the (group, kind) pairs in use. Bounded by the kinds that the clusters serve."""
        found: dict[str, set[tuple[str, str]]] = {}
        for raw in cast(set[bytes], self._redis.smembers(self._keys.clusters)):
            members = cast(set[bytes], self._redis.smembers(self._keys.kinds(raw.decode())))
            found[raw.decode()] = {(m.decode().split("|")[0], m.decode().split("|")[1]) for m in members}
        return found

    def due_soon(self, now: float, limit: int = 500) -> list[str]:
        """Take the applications whose put-off comparison is due."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.zrange(self._keys.soon, "-inf", str(now), byscore=True, offset=0, num=limit)
        found = cast(list[bytes], pipe.execute()[0])
        if not found:
            return []
        taken = [app for app in found if self._redis.zrem(self._keys.soon, app)]
        return [app.decode() for app in taken]


def _place(server: str) -> str:
    """What stands before the keys of a cluster's objects; nothing for the control cluster, where most of them are."""
    return "" if server == IN_CLUSTER_SERVER else f"{server} "


def _on(server: str, fields: Mapping[bytes, bytes]) -> Iterator[tuple[ObjectKey, bytes]]:
    """The objects of one cluster, of a hash of them all."""
    wanted = _place(server)
    for name, value in fields.items():
        place, blank, key = name.decode().rpartition(" ")
        if place + blank == wanted:
            yield ObjectKey.decode(key), value
