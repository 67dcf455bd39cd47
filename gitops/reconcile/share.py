"""How many of a cluster's requests in flight one operation asks for: a large one leaves the others theirs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops.reconcile.recording import RecordingClient
from gitops.sync import STEP_TASKS

if TYPE_CHECKING:
    from gitops.reconcile.engine import Engine

#: Requests in flight that one operation may have of the limit that all share.
SHARE = 12
#: Seconds for which others count as at work after they were seen.
CROWDED_SECONDS = 10.0
#: Requests that take this many times what they take one by one stand in a queue, and so do all others'.
SLOWER = 1.25
#: Seconds for each request above which a step asks for fewer requests in flight for all.
SLOW_SECONDS = 1.0
#: Steps until one more in flight is tried again, at the most.
LONGEST_PAUSE = 16


@dataclass(slots=True)
class Pace:
    """As many requests in flight as do not slow a cluster down, found step by step as TCP Vegas finds its window.

    (Brakmo and Peterson, "TCP Vegas", 1995: the time that an answer takes tells of a queue before anything is lost.)
    """

    slots: int = 1
    _one_by_one: float = math.inf
    _pause: int = 1
    _wait: int = 0

    def took(self, slots: int, seconds: float) -> None:
        """A step with so many requests in flight took this long for each."""
        if slots != self.slots:
            return
        if slots == 1:
            self._one_by_one = seconds
        if seconds > SLOWER * self._one_by_one:
            self.slots = slots // 2
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._wait = self._pause
        elif self._wait:
            self._wait -= 1
        else:
            self.slots = min(slots + 1, SHARE)


class Shares:
    """The shares of one process' operations. `busy` tells how many messages all workers are at work on."""

    def __init__(self, busy: Callable[[], int]) -> None:
        self._busy = busy
        self._crowded_until = -math.inf
        self._last: tuple[str, float] = "", -math.inf
        self._paces: dict[str, Pace] = {}

    def seen(self, app: str) -> None:
        """This process works on an application; one that it worked on before is another at work."""
        now, (last, at) = time.monotonic(), self._last
        if app != last:
            self._crowded_until = max(self._crowded_until, at + CROWDED_SECONDS)
        self._last = app, now

    def of(self, server: str, tasks: int) -> int:
        """How many requests in flight a step of an operation on so many objects asks for."""
        if tasks <= STEP_TASKS:
            return min(max(tasks, 1), SHARE)
        now = time.monotonic()
        if self._busy() > 1:
            self._crowded_until = now + CROWDED_SECONDS
        return self._pace(server).slots if now < self._crowded_until else SHARE

    def took(self, server: str, tasks: int, slots: int, seconds: float) -> None:
        """A step of such an operation took this long for each write."""
        if tasks > STEP_TASKS:
            self._pace(server).took(slots, seconds)

    def _pace(self, server: str) -> Pace:
        return self._paces.setdefault(server, Pace())


@contextmanager
def in_flight(engine: Engine, server: str, client: RecordingClient, tasks: int) -> Iterator[int]:
    """Hold requests in flight for a step of an operation on so many objects, which writes by `client`. Gives how many.

    How the cluster bore them decides how many there may be next, of this operation's and of all.
    """
    with engine.state.inflight.batch(server, engine.shares.of(server, tasks)) as batch:
        begun, busy, before = time.monotonic(), engine.answers.busy(server), client.writes
        yield batch.slots
        batch.throttled = engine.answers.busy(server) > busy
        if writes := client.writes - before:
            seconds = (time.monotonic() - begun) * batch.slots / writes
            batch.slow = seconds > SLOW_SECONDS
            engine.shares.took(server, tasks, batch.slots, seconds)
