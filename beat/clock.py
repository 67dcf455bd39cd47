"""The clock: what is due is published, what is parked is woken, what a dead worker held is wished for again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gitops.observe import trace
from gitops.state import State
from gitops.state.due import GONE, JOINED, PUBLISHED, UNCHANGED
from gitops.state.queue import DIFF, FETCH, GENERATE, SET_PREFIX, Rank

#: Applications claimed in one tick at the most: after an outage everything is overdue, and the oldest goes first.
BATCH = 500
#: Seconds within which due times are claimed together: ten thousand applications are fifty of them a second.
TOGETHER = 0.25


class Clock:
    """Works against Redis alone. Any number of clocks may run: each slot is claimed once."""

    def __init__(self, state: State, *, reap_every: float = 5.0) -> None:
        self._state, self._reap_every, self._reaped = state, reap_every, 0.0
        #: How often each answer of a claim came, for metrics.
        self.claims: Counter[int] = Counter({GONE: 0, PUBLISHED: 0, JOINED: 0, UNCHANGED: 0})

    def tick(self, now: float) -> float:
        """Do what is due at `now`, unix seconds. Returns the seconds until there may be more."""
        state, events = self._state, self._state.events()
        due = state.due.peek(now, BATCH) if events.due <= now else []
        if due:
            self._claim(due, now)
        if events.parked <= now:
            state.operations.wake(now)
        for app in state.live.due_soon(now) if events.soon <= now else ():
            # An ApplicationSet comes here by a generator's requeueAfterSeconds. What was put off is not urgent: the new
            # health of a rollout stands behind first syncs and drift.
            state.queue.want(GENERATE if app.startswith(SET_PREFIX) else DIFF, app, Rank.POLL)
        if now - self._reaped >= self._reap_every:
            self._reaped = now
            state.workers.reap()
        if len(due) == BATCH:
            return 0.0
        return (state.events() if min(events) <= now else events).wait(now, TOGETHER)

    def _claim(self, apps: Sequence[str], now: float) -> None:
        claims, told = [], []
        for app, known in zip(apps, self._state.apps.desired_of(apps), strict=True):
            with trace.publishing(FETCH, app) as published:
                claims.append(self._state.due.claiming(app, now, known.tracked if known and not known.error else ()))
                told.append(published)
        for published, answer in zip(told, self._state.due.claim_all(claims), strict=True):
            if answer == PUBLISHED:
                published()
            self.claims[answer] += 1
