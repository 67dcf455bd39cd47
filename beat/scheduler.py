"""The Celery scheduler: its tick is our clock's, and the one that leads also runs the watcher."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import redis
from celery.beat import Scheduler

from beat.clock import Clock
from beat.leader import Leader
from gitops.errors import GitOpsError
from gitops.observe import metrics, probe, trace
from gitops.settings import settings
from gitops.state import State
from gitops.state.envelope import envelope

if TYPE_CHECKING:
    from beat.sharing import SharedEars

logger = logging.getLogger("gitops.beat")


class GitOpsScheduler(Scheduler):
    """One due time for each Application, kept in Redis; no entries of Celery's own.

    Nothing that Redis does ends the loop: while it is away there is nothing to publish to, and afterwards the leader
    rebuilds it from the Applications.
    """

    def setup_schedule(self) -> None:
        self.data: dict[str, Any] = {}
        trace.start("gitops-beat", settings().trace_endpoint)
        self._state = State(settings(), trace.carrying(envelope))
        self._clock = Clock(self._state)
        name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._leader = Leader(self._state, name)
        self._shared = self._share(name)
        if settings().metrics_port:
            from beat.exporter import serve

            serve(self._leader, self._clock, self._shared)

    def tick(self, *_: Any, **__: Any) -> float:
        """Hold the lease, do what is due. Returns the seconds to sleep."""
        now = time.time()
        try:
            leads = self._leader.hold(now)
            wait = self._clock.tick(now)
        except redis.RedisError as error:
            logger.warning("Redis does not answer (%s); trying again", error)
            self._leader.lost()
            return settings().beat_tick
        except GitOpsError as error:
            logger.warning("cannot follow the Applications (%s); trying again", error)
            self._leader.lost()
            return settings().beat_tick
        metrics.leader(leads)
        metrics.beat_ticked()
        probe.mark(settings().data_dir, "beat")
        return max(0.0, min(wait, settings().beat_tick))

    def _share(self, name: str) -> SharedEars | None:
        """Follow a share of the clusters, whoever leads; None where the leader follows all."""
        if not settings().watch_shards:
            return None
        from beat.sharing import SharedEars

        shared = SharedEars.build(self._state, name)
        shared.start()
        return shared

    @property
    def schedule(self) -> dict[str, Any]:
        return self.data

    def close(self) -> None:
        self._leader.close()
        if self._shared:
            self._shared.stop()
        trace.stop()
        super().close()

    @property
    def info(self) -> str:
        return "    . due times -> one per Application, in Redis"
