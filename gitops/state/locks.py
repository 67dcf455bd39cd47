"""Locks: at most one holder per (lane, application), each with a fencing token that only grows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

import redis

from gitops.errors import LockLost
from gitops.state.keys import Keys
from gitops.state.queue import APPLY, DIFF, FETCH, GENERATE, Queue, Rank
from gitops.state.scripts import Call, Scripts

#: The lane of reading Git, and the lane of the cluster: one fetch and one comparison or operation at a time. The third
#: is an ApplicationSet's.
SOURCE, CLUSTER, SET = "source", "cluster", "set"
LANES = {SOURCE: (FETCH,), CLUSTER: (DIFF, APPLY), SET: (GENERATE,)}


@dataclass(frozen=True, slots=True)
class Lock:
    """A held lock. `token` is greater than that of every holder before."""

    lane: str
    app: str
    token: int


class Locks:
    """Takes, checks and frees locks.

    A lock is taken over from a worker that is no longer alive, and by a redelivered message from its first bearer. The
    one that lost it learns so at its next `check`, which it calls before each write.
    """

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys, queue: Queue, ttl: float) -> None:
        self._redis, self._scripts, self._keys, self._queue, self._ttl = client, scripts, keys, queue, ttl

    def acquire(self, lane: str, app: str, *, worker: str, message_id: str, task: str) -> Lock | None:
        """Take the lock, or note the wish to run `task` at its release and return None."""
        call = self.acquiring(lane, app, worker=worker, message_id=message_id, task=task)
        return self.acquired(lane, app, self._scripts.together([call])[0])

    def acquiring(self, lane: str, app: str, *, worker: str, message_id: str, task: str) -> Call:
        """What `acquire` calls, for others to call together with what they have."""
        return Call(
            "acquire",
            [self._keys.lock(lane, app), self._keys.fence, self._keys.app(app)],
            [worker, message_id, int(self._ttl * 1000), int(time.time() * 1000), task, self._keys.alive("")],
        )

    @staticmethod
    def acquired(lane: str, app: str, answer: Any) -> Lock | None:
        """What `acquire` returns where Redis answers this."""
        return Lock(lane, app, int(answer)) if answer else None

    def check(self, lock: Lock) -> None:
        """Raise LockLost where somebody else holds the lock now, or nobody does."""
        held = cast(bytes | None, self._redis.get(self._keys.lock(lock.lane, lock.app)))
        if held is None or int(held.split(b"|", 1)[0]) != lock.token:
            raise LockLost(f"another worker has taken over {lock.app}; this one stops before its next write")

    def release(self, lock: Lock) -> bool:
        """Free the lock and publish what was wished for meanwhile. False where it was lost before."""
        return int(self._scripts.together([self.releasing(lock)])[0]) >= 0

    def releasing(self, lock: Lock) -> Call:
        """What `release` calls, for others to call together with what they have."""
        keys = [self._keys.lock(lock.lane, lock.app), self._keys.app(lock.app)]
        args: list[str | bytes | int] = [lock.token]
        for task in LANES[lock.lane]:
            message = self._queue.message(task, lock.app, Rank.DRIFT)
            keys += self._queue.lists(task)
            args += [task, message.id, message.payload]
        return Call("release", keys, args)
