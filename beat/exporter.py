"""Beat's /metrics: queues, Applications and clusters, made at each scrape from what is at hand."""

from __future__ import annotations

from collections.abc import Iterable

from beat.leader import Leader
from beat.watcher import Watcher
from gitops.observe import REGISTRY, AppCollector, AppSummary, ClusterCollector, ClusterSummary, QueueCollector
from gitops.observe import serve as serve_metrics
from gitops.observe.metrics import build_info
from gitops.settings import settings
from gitops.state import State
from gitops.state.store import connect


def serve(state: State, leader: Leader) -> None:
    """Serve /metrics from a thread. Applications and clusters are the leader's to tell."""

    def applications() -> Iterable[AppSummary]:
        ears = leader.ears
        return list(ears.applications.summaries.values()) if isinstance(ears, Watcher) else []

    def clusters() -> Iterable[ClusterSummary]:
        ears = leader.ears
        return ears.clusters() if isinstance(ears, Watcher) else []

    build_info("beat")
    redis = connect(settings().redis_url.get_secret_value(), timeout=2.0)
    REGISTRY.register(QueueCollector(redis, settings().redis_prefix, parked_key=state.keys.parked))
    REGISTRY.register(AppCollector(applications))
    REGISTRY.register(ClusterCollector(clusters))
    serve_metrics(settings().metrics_port, settings().metrics_host)
