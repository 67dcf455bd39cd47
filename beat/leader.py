"""Leading: the holder of the lease runs the watcher; a standby takes over when the lease ends."""

from __future__ import annotations

import logging
from typing import Protocol

from gitops.state import State
from gitops.state.lease import Fence

logger = logging.getLogger("gitops.beat")


class Ears(Protocol):
    """What the leader runs."""

    def start(self, fence: Fence) -> None: ...
    def stop(self) -> None: ...


class Leader:
    """Holds the lease. A new token means that the lease was lost, or Redis emptied: then everything is listed again."""

    def __init__(self, state: State, owner: str, ears: Ears | None = None) -> None:
        self._state, self._owner, self._token = state, owner, 0
        self._given, self._ears = ears, ears

    def hold(self, now: float) -> bool:
        """Take or renew the lease at `now`, unix seconds. Starts and stops the ears with it. True where we lead."""
        token = self._state.lease.hold(self._owner, now)
        if token != self._token:
            if self._token:
                self.lost()
            self._token = token
            if token:
                logger.info("leading as %s (token %d)", self._owner, token)
                self._listen()
        return bool(token)

    def lost(self) -> None:
        """We may no longer lead: be silent until the lease is ours again."""
        if self._token and self._ears:
            self._ears.stop()
        self._token = 0

    def close(self) -> None:
        """Stop, and let a standby take over at once."""
        if self._token:
            self.lost()
            self._state.lease.drop(self._owner)

    @property
    def ears(self) -> Ears | None:
        """What listens while we lead; None otherwise."""
        return self._ears if self._token else None

    def _listen(self) -> None:
        if self._given is None:
            from beat.watcher import Watcher

            self._ears = Watcher.build(self._state)
        if self._ears:
            self._ears.start(self._state.lease.fence(self._token))
