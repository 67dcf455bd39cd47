"""One in-flight limit per cluster, shared by all workers: more connections than a server's cores can use are slower."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import redis

from gitops.state.keys import Keys
from gitops.state.scripts import Scripts


@dataclass(slots=True)
class Batch:
    """Slots held for a batch of requests. Tell it what the server answered before it ends."""

    slots: int
    throttled: bool = False
    slow: bool = False


class Inflight:
    """16 requests in flight to start with, adapting between 4 and 32 (specs, performance section 3)."""

    START, FLOOR, CEILING = 16, 4, 32
    LEASE_MS = 60_000

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._redis, self._scripts, self._keys = client, scripts, keys

    def _bounds(self) -> list[int]:
        return [self.START, self.FLOOR, self.CEILING]

    def take(self, cluster: str, wanted: int, holder: str) -> int:
        """Take up to `wanted` slots. Returns how many were granted, 0 where none is free."""
        now = int(time.time() * 1000)
        args = [wanted, holder, now, self.LEASE_MS, *self._bounds()]
        return int(self._scripts("slots", [self._keys.inflight(cluster)], args))

    def give_back(self, cluster: str, holder: str, *, throttled: bool, slow: bool) -> int:
        """Give the holder's slots back and adapt. Returns the limit."""
        args = [holder, int(throttled), int(slow), int(time.time() * 1000), *self._bounds()]
        return int(self._scripts("slots_back", [self._keys.inflight(cluster)], args))

    @contextmanager
    def batch(self, cluster: str, wanted: int, *, patience: float = 5.0) -> Iterator[Batch]:
        """Hold up to `wanted` slots for a batch of requests; after `patience` seconds without any, go on with one.

        The wait is for requests of milliseconds, never for a rollout, so it is done here and not by parking.
        """
        holder, granted, deadline = uuid4().hex, 0, time.monotonic() + patience
        while not (granted := self.take(cluster, wanted, holder)) and time.monotonic() < deadline:
            time.sleep(0.005)
        batch = Batch(granted or 1)
        try:
            yield batch
        finally:
            self.give_back(cluster, holder, throttled=batch.throttled, slow=batch.slow)

    def limit(self, cluster: str) -> int:
        """The limit at present."""
        value = self._redis.hget(self._keys.inflight(cluster), "limit")
        return int(float(value)) if value else self.START
