"""Liveness that tells a wedged process from a busy one.

A worker says two things through the times of two files: its loop turns, and its tasks move. Every task ends within the
hard time limit, so a worker with all hands full still moves; one whose messages grow old while nothing moves is wedged.
A Redis that is away is no reason to restart anybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from gitops.errors import GitOpsError
from gitops.observe.queues import QUEUES, QueueCollector

__all__ = ["QUEUES", "NotAlive", "check_beat", "check_worker", "mark"]

#: Celery's event loop sends a heartbeat each 2 s; beat ticks each second.
_LOOP_SILENCE = 60.0
_TICK_SILENCE = 30.0
#: What a task may take beyond its hard limit: the kill, and the next task's start.
_MARGIN = 60.0


class NotAlive(GitOpsError):
    """The process does not do its work; the text says how one can tell."""


def mark(data_dir: Path, what: str) -> None:
    """Note that `what` moved: `worker-loop`, `worker-task` or `beat`. Cheap enough for every tick."""
    path = data_dir / "alive" / what
    try:
        path.touch()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def check_worker(
    data_dir: Path,
    redis: Redis,
    prefix: str,
    hard_time_limit: float,
    *,
    queues: tuple[str, ...] = QUEUES,
    clock: Callable[[], float] = time.time,
) -> None:
    """Raises NotAlive where the worker of `data_dir`, which serves `queues`, should be restarted; times in seconds."""
    silence = _age(data_dir, "worker-loop", clock)
    if silence is None or silence > _LOOP_SILENCE:
        raise NotAlive(f"The worker's loop has not turned for {_shown(silence)}; it must within {_LOOP_SILENCE:.0f} s")
    limit = hard_time_limit + _MARGIN
    idle = _age(data_dir, "worker-task", clock)
    if idle is not None and idle <= limit:
        return
    waiting = _oldest(redis, prefix, queues, clock)
    if waiting > limit:
        raise NotAlive(
            f"A message has waited for {waiting:.0f} s and no task has moved for {_shown(idle)}; "
            f"one must within {limit:.0f} s"
        )


def check_beat(data_dir: Path, *, clock: Callable[[], float] = time.time) -> None:
    """Raises NotAlive where beat's clock stands still, be it leader or not."""
    silence = _age(data_dir, "beat", clock)
    if silence is None or silence > _TICK_SILENCE:
        raise NotAlive(f"Beat has not ticked for {_shown(silence)}; it must within {_TICK_SILENCE:.0f} s")


def _oldest(redis: Redis, prefix: str, queues: tuple[str, ...], clock: Callable[[], float]) -> float:
    try:
        found = [
            sample.value
            for metric in QueueCollector(redis, prefix, queues=queues, clock=clock).collect()
            if metric.name == "gitops_queue_oldest_message_seconds"
            for sample in metric.samples
        ]
    except (RedisError, OSError):
        return 0.0
    return max(found, default=0.0)


def _age(data_dir: Path, what: str, clock: Callable[[], float]) -> float | None:
    try:
        return clock() - (data_dir / "alive" / what).stat().st_mtime
    except FileNotFoundError:
        return None


def _shown(seconds: float | None) -> str:
    return "ever" if seconds is None else f"{seconds:.0f} s"
