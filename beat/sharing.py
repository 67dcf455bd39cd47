"""Several beats share the clusters: each follows the parts (shards) of which it holds the lease, its fair share.

A beat that falls silent loses its leases, and the others, being fewer, take them. Who leads has nothing to do with it.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Iterable, Mapping
from functools import partial
from math import ceil
from typing import NamedTuple

import redis

from beat import threads
from beat.managed import ManagedEars
from beat.reach import Reach
from gitops.cluster import Watches
from gitops.observe import ClusterSummary
from gitops.observe.requests import api_observer
from gitops.reconcile.clusters import ClusterRegistry
from gitops.reconcile.control import Control
from gitops.settings import Settings, settings
from gitops.state import State
from gitops.state.lease import Fence

logger = logging.getLogger("gitops.beat")

#: Seconds between two looks at the leases and at which kinds are in use.
EVERY = 0.5
Kinds = set[tuple[str, str]]


class Shard(NamedTuple):
    """One part of the kinds of one cluster."""

    server: str
    part: int

    def __str__(self) -> str:
        return f"{self.server}#{self.part}"


def shards_of(kinds: Mapping[str, Kinds], parts: int) -> dict[Shard, Kinds]:
    """The shards of what is in use: the kinds of each cluster in `parts` parts, by their names."""
    found: dict[Shard, Kinds] = {}
    for server, in_use in kinds.items():
        for group, kind in in_use:
            part = zlib.crc32(f"{group}|{kind}".encode()) % parts
            found.setdefault(Shard(server, part), set()).add((group, kind))
    return found


class Share:
    """The leases of one beat, `member`: no more than its fair share."""

    def __init__(self, state: State, member: str) -> None:
        self._state, self._member = state, member
        self.held: dict[Shard, Fence] = {}
        self._surplus: list[Shard] = []

    def turn(self, shards: Iterable[Shard]) -> dict[Shard, Fence]:
        """Renew what is held, take what is free up to the fair share. Returns what may be followed now.

        What is held beyond it is not returned, and given up by `give_up`, once it is followed no longer.
        """
        there = sorted(shards)
        fair = ceil(len(there) / self._state.shards.join(self._member))
        wanted = [shard for shard in self.held if shard in there][:fair]
        self._surplus = [shard for shard in self.held if shard not in wanted]
        # Each beat begins elsewhere, so that two do not run for the same.
        others = [shard for shard in there if shard not in self.held]
        others.sort(key=lambda shard: zlib.crc32(f"{self._member}{shard}".encode()))
        now: dict[Shard, Fence] = {}
        for shard in [*wanted, *others]:
            if len(now) < fair and (fence := self._state.shards.hold(str(shard), self._member)):
                now[shard] = fence
        for shard in now.keys() - self.held.keys():
            logger.info("following %s", shard)
        self.held = now
        return dict(now)

    def give_up(self) -> None:
        """Let others have what is beyond the fair share."""
        for shard in self._surplus:
            logger.info("leaving %s to others", shard)
            self._state.shards.drop(str(shard), self._member)
        self._surplus = []

    def end(self) -> None:
        """Let others have everything at once."""
        self._state.shards.leave(self._member)
        self._surplus, self.held = list(self.held), {}
        self.give_up()


class SharedEars:
    """Follows this beat's share, from threads of its own."""

    def __init__(
        self, state: State, settings: Settings, clusters: ClusterRegistry, control: Control, member: str
    ) -> None:
        self._state, self._parts = state, settings.watch_shards
        self._clusters, self._control = clusters, control
        self._member, self._share = member, Share(state, member)
        self._stopped = threading.Event()
        self._watches = Watches()
        self._reach = Reach(clusters.by_server)
        self._managed = ManagedEars(state, settings, clusters, self._watches, control.get)
        self._threads: list[threading.Thread] = []

    @classmethod
    def build(cls, state: State, member: str) -> SharedEars:
        """The ears of the clusters that the settings' control cluster knows."""
        from gitops.reconcile.clusters import registry

        clusters, control = registry(settings(), state, api_observer)
        return cls(state, settings(), clusters, control, member)

    def start(self) -> None:
        """Take a share and follow it."""
        logger.info("sharing as %s, %d parts a cluster", self._member, self._parts)
        reach = partial(self._reach.run, self._managed.servers, self._stopped)
        self._threads = threads.begin({"shared-watch": self._watches.run, "shards": self._run, "shared-reach": reach})

    def stop(self) -> None:
        """Follow nothing any more, and let others have it."""
        self._stopped.set()
        self._watches.stop()
        threads.join(self._threads)
        try:
            self._share.end()
        except redis.RedisError as error:
            logger.warning("cannot give up the shards (%s); they are free after their time", error)

    def clusters(self) -> list[ClusterSummary]:
        """What the metrics show of the clusters that this beat follows."""
        return self._managed.clusters(self._reach)

    def _run(self) -> None:
        while not self._stopped.wait(EVERY):
            try:
                self._turn()
            except Exception as error:
                # While Redis is away nothing can be told to it, and afterwards the leases decide.
                logger.warning("cannot see to the shards: %s", error)

    def _turn(self) -> None:
        self._clusters.update(self._control)
        shards = shards_of(self._state.live.kinds(), self._parts)
        before = self._share.held
        now = self._share.turn(shards)
        for shard in before.keys() - now.keys():
            self._managed.leave(str(shard))
        self._share.give_up()
        for shard, fence in now.items():
            self._managed.follow(str(shard), shard.server, shards[shard], fence)
