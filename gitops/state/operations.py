"""Operations under way. One rests here, sealed, between its steps; one that waits is also parked with a time."""

from __future__ import annotations

from typing import cast

import redis

from gitops.state.keys import Keys
from gitops.state.queue import APPLY, Queue, Rank
from gitops.state.scripts import Scripts
from gitops.state.seal import Seal


class Operations:
    """At most one operation for each application, as the sync room serialises it."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys, seal: Seal, queue: Queue) -> None:
        self._redis, self._scripts, self._keys, self._seal, self._queue = client, scripts, keys, seal, queue

    def put(self, app: str, record: bytes) -> None:
        """Keep the operation's position."""
        key = self._keys.app(app)
        self._redis.hset(key, "op", self._seal.seal(f"{key}/op", record))

    def begin(self, app: str, record: bytes, until: float, **fields: str) -> None:
        """Keep a new operation and plain fields of its application; the clock wakes it at `until`, unix seconds."""
        key = self._keys.app(app)
        plain = [part for field in fields.items() for part in field]
        keep = ("HSET", key, "op", self._seal.seal(f"{key}/op", record), *plain)
        self._scripts.together([keep, ("ZADD", self._keys.parked, until, app)])

    def clear(self, app: str) -> None:
        """The operation has ended."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hdel(self._keys.app(app), "op")
        pipe.zrem(self._keys.parked, app)
        pipe.execute()

    def park(self, app: str, until: float) -> None:
        """Wake the operation at `until`, unix seconds, if nothing wakes it before."""
        self._redis.zadd(self._keys.parked, {app: until})

    def wake(self, now: float, limit: int = 500) -> int:
        """Publish `apply` for each parked operation whose time has come. Returns how many there were."""
        due = cast(
            list[bytes], self._redis.zrange(self._keys.parked, "-inf", str(now), byscore=True, offset=0, num=limit)
        )
        for app in due:
            self._queue.want(APPLY, app.decode(), Rank.POLL)
            # Woken again in a minute, should the message be lost with the worker that took it.
            self._redis.zadd(self._keys.parked, {app: now + 60.0}, xx=True)
        return len(due)

    def is_parked(self, app: str) -> bool:
        """Whether the application's operation waits for an event or its time."""
        return self._redis.zscore(self._keys.parked, app) is not None

    def parked(self) -> int:
        """How many operations are under way, whether they wait or a worker moves them on."""
        return int(self._redis.zcard(self._keys.parked))

    def counts(self) -> tuple[int, int]:
        """How many operations wait, and how many a worker moves on at this moment."""
        keys, begins = [self._keys.parked, self._keys.workers], [self._keys.running(""), self._keys.alive("")]
        parked, running = self._scripts("counts", keys, begins)
        return int(parked), int(running)
