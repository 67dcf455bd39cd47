"""The Celery scheduler: its tick is our clock's, and the one that leads also runs the watcher."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Any
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
        self._leader = Leader(self._state, f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}")
        if settings().metrics_port:
            from beat.exporter import serve

            serve(self._leader, self._clock)

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

    @property
    def schedule(self) -> dict[str, Any]:
        return self.data

    def close(self) -> None:
        self._leader.close()
        trace.stop()
        super().close()

    @property
    def info(self) -> str:
        return "    . due times -> one per Application, in Redis"
