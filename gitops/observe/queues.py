"""Queue depths and the broker's state, read from Redis at each scrape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import orjson
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

QUEUES = (
    "fetch", "diff", "apply", "generate", "fetch-urgent", "diff-urgent", "apply-urgent", "generate-urgent",
)  # fmt: skip
#: Argo CD's names of its two queues, and what of ours each one means.
_ARGO = {
    "app_reconciliation_queue": ("fetch", "fetch-urgent", "diff", "diff-urgent"),
    "app_operation_processing_queue": ("apply", "apply-urgent"),
}
#: kombu keeps one list a priority: the plain name, then `<name>\x06\x16<step>`. We publish without priorities, but a
#: client of somebody's own may not.
_PRIORITY_STEPS = ("", "\x06\x163", "\x06\x166", "\x06\x169")


class Operations(Protocol):
    """Where operations under way are counted: gitops.state's `Operations`."""

    def counts(self) -> tuple[int, int]:
        """How many wait, and how many a worker moves on at this moment."""


class QueueCollector(Collector):
    """`workqueue_depth`, the age of the oldest message, what is unacknowledged and parked, and Redis's own health.

    `workqueue_depth{name="parked"}` is what waits; an operation that a worker moves on is `gitops_operations_running`.
    A Redis that cannot be reached is `gitops_redis_up 0`, never silence.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        *,
        queues: Sequence[str] = QUEUES,
        operations: Operations | None = None,
        counts: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`redis` should have socket timeouts of a second or two; `prefix` is kombu's global_keyprefix.

        `counts` says whether this process is the one that tells what all processes counted together in Redis: told by
        two, a sum over them would be twice as much.
        """
        self._redis = redis
        self._prefix = prefix
        self._queues = tuple(queues)
        self._operations, self._counts = operations, counts
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """The metrics of now: one round trip to Redis."""
        up = GaugeMetricFamily("gitops_redis_up", "Whether Redis answered this scrape.")
        began = time.monotonic()
        try:
            found = self._read()
        except (RedisError, OSError):
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        seconds = GaugeMetricFamily("gitops_redis_scrape_seconds", "How long Redis took to answer this scrape.")
        seconds.add_metric([], time.monotonic() - began)
        return [up, seconds, *found]

    def _read(self) -> list[Metric]:
        pipe = self._redis.pipeline(transaction=False)
        for queue in self._queues:
            for step in _PRIORITY_STEPS:
                pipe.llen(f"{self._prefix}{queue}{step}")
                pipe.lindex(f"{self._prefix}{queue}{step}", -1)
        pipe.zcard(f"{self._prefix}unacked_index")
        pipe.zrange(f"{self._prefix}unacked_index", 0, 0, withscores=True)
        pipe.hgetall(f"{self._prefix}counters")
        pipe.info()
        answers = pipe.execute()
        info: dict[str, Any] = answers.pop()
        counters: dict[bytes, bytes] = answers.pop()
        oldest_unacked: list[tuple[Any, float]] = answers.pop()
        unacked = answers.pop()
        parked, running = self._operations.counts() if self._operations else (0, 0)

        depth = GaugeMetricFamily("workqueue_depth", "Messages that wait, by queue.", labels=["name"])
        oldest = GaugeMetricFamily(
            "gitops_queue_oldest_message_seconds", "Age of the oldest waiting message; 0: none waits.", labels=["name"]
        )
        width, depths = 2 * len(_PRIORITY_STEPS), {}
        for index, queue in enumerate(self._queues):
            row = answers[index * width : (index + 1) * width]
            depths[queue] = sum(row[::2])
            depth.add_metric([queue], depths[queue])
            oldest.add_metric([queue], max((self._age(message) for message in row[1::2] if message), default=0.0))
        depth.add_metric(["parked"], parked)
        for name, ours in _ARGO.items():
            depth.add_metric([name], sum(depths.get(queue, 0) for queue in ours))
        moving = GaugeMetricFamily("gitops_operations_running", "Operations that a worker moves on at this moment.")
        moving.add_metric([], running)

        held = GaugeMetricFamily("gitops_queue_unacked", "Messages that workers hold.")
        held.add_metric([], unacked)
        held_for = GaugeMetricFamily("gitops_queue_oldest_unacked_seconds", "How long the longest held one is held.")
        held_for.add_metric([], max(0.0, self._clock() - oldest_unacked[0][1]) if oldest_unacked else 0.0)
        counted = _counted(counters) if self._counts() else []
        return [depth, oldest, moving, held, held_for, *counted, *_server(info)]

    def _age(self, message: bytes | str) -> float:
        try:
            published = orjson.loads(message)["headers"]["enqueued_at"]
            return max(0.0, self._clock() - float(published))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return 0.0


def _counted(counters: dict[bytes, bytes]) -> list[Metric]:
    """What the publishing scripts counted, whichever process called them."""
    adds = CounterMetricFamily("workqueue_adds", "Messages published, by queue.", labels=["name"])
    coalesced = CounterMetricFamily(
        "gitops_task_coalesced", "Wishes served by a message that was already waiting.", labels=["task"]
    )
    for field, value in sorted(counters.items()):
        kind, _, name = field.decode().partition(":")
        family = {"published": adds, "coalesced": coalesced}.get(kind)
        if family is not None:
            family.add_metric([name], float(value))
    return [adds, coalesced]


def _server(info: dict[str, Any]) -> list[Metric]:
    used = GaugeMetricFamily("gitops_redis_memory_bytes", "Memory that Redis uses.")
    used.add_metric([], info.get("used_memory", 0))
    limit = GaugeMetricFamily("gitops_redis_memory_max_bytes", "Memory that Redis may use; 0: no limit set.")
    limit.add_metric([], info.get("maxmemory", 0))
    evicted = CounterMetricFamily("gitops_redis_evicted_keys", "Keys that Redis threw away for want of memory.")
    evicted.add_metric([], info.get("evicted_keys", 0))
    return [used, limit, evicted]
