"""Beat's /metrics: queues, Applications and clusters, made at each scrape from what is at hand."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from beat.clock import Clock
from beat.leader import Leader
from beat.sharing import SharedEars
from beat.watcher import Watcher
from gitops.observe import REGISTRY, AppCollector, AppSummary, ClusterCollector, ClusterSummary, QueueCollector
from gitops.observe import serve as serve_metrics
from gitops.observe.metrics import build_info
from gitops.settings import settings
from gitops.state import State
from gitops.state.due import GONE, JOINED, PUBLISHED, UNCHANGED
from gitops.state.store import connect


def serve(leader: Leader, clock: Clock, shared: SharedEars | None = None) -> None:
    """Serve /metrics from a thread. Applications, clusters and what all count together are the leader's to tell.

    Where beats share the clusters, each tells of those that it follows itself.
    """

    def applications() -> Iterable[AppSummary]:
        ears = leader.ears
        return list(ears.applications.summaries.values()) if isinstance(ears, Watcher) else []

    def clusters() -> Iterable[ClusterSummary]:
        ears = shared or leader.ears
        return ears.clusters() if isinstance(ears, Watcher | SharedEars) else []

    build_info("beat")
    # Prometheus gives a scrape 10 seconds: a Redis that is away must be told well within.
    redis = connect(settings().redis_url.get_secret_value(), timeout=2.0, retries=0)
    REGISTRY.register(
        QueueCollector(
            redis,
            settings().redis_prefix,
            operations=State(settings(), client=redis).operations,
            counts=lambda: leader.ears is not None,
        )
    )
    REGISTRY.register(ClaimsCollector(clock))
    REGISTRY.register(AppCollector(applications))
    REGISTRY.register(ClusterCollector(clusters))
    serve_metrics(settings().metrics_port, settings().metrics_host)


class ClaimsCollector(Collector):
    """`gitops_schedule_claims_total{answer}`: what became of the slots that this beat's clock claimed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """The counts of now."""
        claims = CounterMetricFamily(
            "gitops_schedule_claims", "Due times that this beat claimed, by what became of them.", labels=["answer"]
        )
        for answer, number in sorted(self._clock.claims.items()):
            claims.add_metric([ANSWERS[answer]], number)
        return [claims]


#: `unchanged`: nothing could have changed, so no message was sent at all.
ANSWERS = {GONE: "gone", PUBLISHED: "published", JOINED: "joined", UNCHANGED: "unchanged"}
