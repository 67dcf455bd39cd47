"""How many writes may be under way at one cluster; too many make an API server slower (performance spec section 3)."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

from gitops.cluster.forking import on_fork
from gitops.errors import ClusterError


class Limiter(Protocol):
    """Held around each write."""

    def acquire(self) -> None:
        """Wait for a place. Raises ClusterError where none comes free in reasonable time."""

    def release(self, latency: float, status: int) -> None:
        """Give the place back, with what came of it: seconds, and the HTTP status (0 where there was no answer)."""


class Unlimited:
    """No limit."""

    def acquire(self) -> None:
        return

    def release(self, latency: float, status: int) -> None:
        return


class AdaptiveLimiter:
    """A limit that grows by one while the server is quick, and shrinks by a quarter when it is slow or says 429."""

    def __init__(
        self, *, start: int = 16, low: int = 4, high: int = 32, slow: float = 1.0, window: int = 64, wait: float = 30.0
    ) -> None:
        """`slow`: the 99th percentile of latency, in seconds, from which on the server counts as overloaded; judged
        once for each `window` of answers. `wait`: seconds until acquire gives up."""
        self._low, self._high, self._slow, self._wait = low, high, slow, wait
        self._limit = float(start)
        self._in_flight = 0
        self._full = False  # whether the limit was felt in this window; only then is there reason to raise it
        self._latencies: deque[float] = deque(maxlen=window)
        self._window = window
        self._shrunk = float("-inf")
        self._free = threading.Condition()
        on_fork(self)

    def after_fork(self) -> None:
        self._free = threading.Condition()
        self._in_flight = 0

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def acquire(self) -> None:
        with self._free:
            if self._in_flight + 1 >= self.limit:
                self._full = True
            if not self._free.wait_for(lambda: self._in_flight < self.limit, self._wait):
                raise ClusterError(f"the cluster's write limit ({self.limit}) was used up for {self._wait:.0f} seconds")
            self._in_flight += 1

    def release(self, latency: float, status: int) -> None:
        with self._free:
            self._in_flight -= 1
            self._latencies.append(latency)
            if status == 429:
                self._shrink()
            elif len(self._latencies) == self._window:
                if sorted(self._latencies)[-(self._window // 100) - 1] > self._slow:
                    self._shrink()
                else:
                    if self._full:
                        self._limit = min(self._limit + 1, self._high)
                    self._full = False
                    self._latencies.clear()
            self._free.notify_all()

    def _shrink(self) -> None:
        now = time.monotonic()
        if now < self._shrunk + self._slow:
            return  # one bad moment gives many bad answers; it counts once
        self._shrunk = now
        self._limit = max(self._limit * 0.75, self._low)
        self._latencies.clear()  # what is in flight now still suffers from the old limit; judge the new one by itself
        self._full = False
