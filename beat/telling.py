"""What was heard of managed objects and Redis does not know yet: changes close to one another are told together."""

from __future__ import annotations

import logging
import time
from math import inf
from typing import NamedTuple

import redis

from gitops.model.objects import ObjectKey
from gitops.observe import trace
from gitops.state.lease import Fence
from gitops.state.live import PUBLISHED, LiveIndex
from gitops.state.queue import DIFF

logger = logging.getLogger("gitops.beat")

#: Seconds between two tellings while changes come one after another; the first after a pause is told at once.
TOGETHER_SECONDS = 0.05
#: Seconds that a quiet change may wait for others. It is compared later anyway, and a rollout is many of them.
QUIET_SECONDS = 0.1
#: Seconds until what could not be told is told again.
AGAIN_SECONDS = 1.0


class Change(NamedTuple):
    """The newest that was heard of an object."""

    version: int
    gone: bool = False
    #: Only its status has changed; it is compared at `later`, unix seconds.
    quiet: bool = False
    later: float = 0.0


class Telling:
    """Changes that wait to be told: one at the most for each object, however long Redis is away."""

    def __init__(self, index: LiveIndex, server: str, fence: Fence | None) -> None:
        self._index, self._server, self._fence = index, server, fence
        self._waiting: dict[tuple[str, ObjectKey], Change] = {}
        #: By time.monotonic(): the last telling, and the next; inf where nothing waits.
        self._told, self._due = -inf, inf

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, app: str, key: ObjectKey, change: Change) -> None:
        """Have a change of an application's object told at the next `tell` that finds it due."""
        now = time.monotonic()
        before = self._waiting.pop((app, key), change)
        if before.quiet != change.quiet:
            change = change._replace(quiet=False)
        elif before.quiet:
            change = change._replace(later=min(before.later, change.later))
        self._waiting[app, key] = change
        self._due = min(self._due, now + QUIET_SECONDS if change.quiet else self._told + TOGETHER_SECONDS)

    def tell(self, now: float = inf) -> float:
        """Tell what is due at `now`, by time.monotonic(). Returns the seconds until more is; inf: nothing waits."""
        if not self._waiting:
            return inf
        if self._due > now:
            return self._due - now
        self._due = time.monotonic() + AGAIN_SECONDS
        calls, published = [], []
        for (app, key), change in self._waiting.items():
            with trace.publishing(DIFF, app) as told:
                calls.append(
                    self._index.observing(
                        app,
                        key,
                        change.version,
                        server=self._server,
                        gone=change.gone,
                        quiet=change.quiet,
                        later=change.later,
                        fence=self._fence,
                    )
                )
                published.append(told)
        try:
            answers = self._index.observe_all(calls)
        except redis.RedisError as error:
            text = "cannot tell Redis what was heard of %d objects of %s (%s); it is told again"
            logger.warning(text, len(calls), self._server, error)
            return AGAIN_SECONDS
        for told, answer in zip(published, answers, strict=True):
            if answer == PUBLISHED:
                told()
        self._waiting.clear()
        self._told, self._due = time.monotonic(), inf
        return inf
