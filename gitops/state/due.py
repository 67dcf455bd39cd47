"""The schedule: one due time for each application, claimed once however many beats run."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import cast

import redis

from gitops.state.keys import Keys
from gitops.state.queue import FETCH, Queue, Rank
from gitops.state.scripts import Call, Scripts

#: What claim answers.
GONE, PUBLISHED, JOINED, UNCHANGED = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Tracked:
    """One source of an application as its last fetch left it: the repository, the wanted revision, what it was."""

    url: str
    ref: str
    revision: str


class Due:
    """When each application is looked at next. `interval` in seconds, varied by the fraction `jitter`."""

    def __init__(
        self, client: redis.Redis, scripts: Scripts, keys: Keys, queue: Queue, interval: float, jitter: float
    ) -> None:
        self._redis, self._scripts, self._keys, self._queue = client, scripts, keys, queue
        self.interval, self.jitter = interval, jitter
        self._random = Random()  # noqa: S311 - jitter, not a secret

    def add(self, app: str, now: float, *, at_once: bool = False) -> None:
        """Follow an application. Its first time is spread over the interval by its name, unless `at_once`."""
        phase = 0.0 if at_once else (zlib.crc32(app.encode()) % 10_000) / 10_000 * self.interval
        self._redis.zadd(self._keys.due, {app: now + phase}, nx=not at_once)

    def stale(self, times: Mapping[str, float]) -> None:
        """Look at applications anew, each at its time (unix seconds) or before, whatever was compared already."""
        self._scripts.together(
            [Call("stale", [self._keys.app(app), self._keys.due], [app, when]) for app, when in times.items()]
        )

    def in_turn(self, apps: Sequence[str], first: float, pace: float) -> None:
        """Look at applications one after another, from `first` (unix seconds) on, `pace` a second at the most.

        They come after those that were given a turn before, however often that is; who is due before his turn comes
        then. So what is in no hurry never takes more of the workers than its pace.
        """
        if apps:
            self._scripts("turns", [self._keys.due, self._keys.turn], [first, 1 / pace, self.interval, *apps])

    def remove(self, app: str) -> None:
        """Follow it no longer."""
        self._redis.zrem(self._keys.due, app)

    def peek(self, now: float, limit: int) -> list[str]:
        """Applications whose time has come, the longest overdue first."""
        found = cast(
            list[bytes], self._redis.zrange(self._keys.due, "-inf", str(now), byscore=True, offset=0, num=limit)
        )
        return [app.decode() for app in found]

    def claim(self, app: str, now: float, tracked: Sequence[Tracked]) -> int:
        """Claim one due slot: `claim_all` of what `claiming` gives."""
        return self.claim_all([self.claiming(app, now, tracked)])[0]

    def claiming(self, app: str, now: float, tracked: Sequence[Tracked]) -> Call:
        """The claim of a due slot: it sets the next time, and publishes `fetch` unless nothing can have changed.

        Nothing can have changed where the last run served the present spec, the watcher saw nothing since, and each
        source's revision was looked up within the interval and is the same.
        """
        message = self._queue.message(FETCH, app, Rank.POLL)
        wait = self.interval * (1 + self._random.uniform(-self.jitter, self.jitter))
        keys = [
            self._keys.due,
            self._keys.app(app),
            *self._queue.lists(FETCH),
            *(self._keys.refs(t.url) for t in tracked),
        ]
        args: list[str | bytes | float] = [
            app,
            now,
            now + wait,
            FETCH,
            message.id,
            message.payload,
            now - self.interval,
        ]
        for source in tracked:
            args += [source.ref, source.revision]
        return Call("claim", keys, args)

    def claim_all(self, claims: Sequence[Call]) -> list[int]:
        """Claim slots in one round trip. Returns GONE, PUBLISHED, JOINED or UNCHANGED for each."""
        return [int(answer) for answer in self._scripts.together(claims)]
