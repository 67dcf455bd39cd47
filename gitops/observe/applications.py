"""Series of applications and clusters, made at each scrape from what is cached: they end with what they speak of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gitops.model.objects import Object
from gitops.observe.scrub import scrub_url


@dataclass(frozen=True, slots=True)
class AppSummary:
    """What is shown of one Application without reading its manifests."""

    namespace: str
    name: str
    project: str
    repo: str
    dest_server: str
    dest_namespace: str
    sync_status: str
    health_status: str
    #: '' | sync | delete
    operation: str = ""
    autosync: bool = False
    revision: str = ""
    #: Unix seconds; 0: never.
    reconciled_at: float = 0.0
    health_since: float = 0.0
    #: The newest error condition, or the failed operation's message; empty when all is well.
    error: str = ""
    #: Orphaned resources that its project warns of; None: it warns of none.
    orphans: int | None = None


@dataclass(frozen=True, slots=True)
class ClusterSummary:
    """What is shown of one destination cluster."""

    name: str
    server: str
    version: str
    connected: bool
    #: Objects in the live index, and the kinds that are followed.
    objects: int = 0
    kinds: int = 0


def summary(obj: Object) -> AppSummary:
    """What the metrics show of an Application."""
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    source = spec.get("source") or (spec.get("sources") or [{}])[0] or {}
    destination = spec.get("destination") or {}
    sync, health = status.get("sync") or {}, status.get("health") or {}
    state = status.get("operationState") or {}
    automated = (spec.get("syncPolicy") or {}).get("automated")
    failed = state.get("phase") in {"Failed", "Error"}
    errors = [str(c.get("message")) for c in status.get("conditions") or [] if str(c.get("type")).endswith("Error")]
    return AppSummary(
        namespace=meta["namespace"],
        name=meta["name"],
        project=spec.get("project") or "default",
        repo=source.get("repoURL") or "",
        dest_server=destination.get("server") or destination.get("name") or "",
        dest_namespace=destination.get("namespace") or "",
        sync_status=sync.get("status") or "Unknown",
        health_status=health.get("status") or "Unknown",
        operation="delete" if meta.get("deletionTimestamp") else ("sync" if state.get("phase") == "Running" else ""),
        autosync=automated is not None and automated.get("enabled") is not False,
        revision=sync.get("revision") or ",".join(sync.get("revisions") or []),
        reconciled_at=_seconds(status.get("reconciledAt")),
        health_since=_seconds(health.get("lastTransitionTime")),
        orphans=_orphans(status.get("conditions") or []),
        error=(errors or [str(state.get("message") or "") if failed else ""])[-1][:300],
    )


def _orphans(conditions: Iterable[Object]) -> int | None:
    """The number in the OrphanedResourceWarning, "Application has N orphaned resources…"."""
    for condition in conditions:
        words = str(condition.get("message")).split(" ", 3)
        if condition.get("type") == "OrphanedResourceWarning" and len(words) > 2 and words[2].isdigit():
            return int(words[2])
    return None


def _seconds(text: str | None) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else 0.0
    except ValueError:
        return 0.0


class AppCollector(Collector):
    """`argocd_app_info`, orphaned resources and the counts by state."""

    def __init__(self, applications: Callable[[], Iterable[AppSummary]], *, limit: int = 20_000) -> None:
        """`applications` gives the cached summaries and must be fast; beyond `limit` only the counts are shown."""
        self._applications = applications
        self._limit = limit

    def collect(self) -> Iterable[Metric]:
        """The metrics of now."""
        info = GaugeMetricFamily(
            "argocd_app_info",
            "Information about an application.",
            labels=[
                "namespace",
                "name",
                "project",
                "autosync_enabled",
                "repo",
                "dest_server",
                "dest_namespace",
                "sync_status",
                "health_status",
                "operation",
            ],
        )
        orphans = GaugeMetricFamily(
            "argocd_app_orphaned_resources_count",
            "Orphaned resources in an application's namespace, where its project warns of them.",
            labels=["namespace", "name", "project"],
        )
        states: Counter[tuple[str, str]] = Counter()
        for count, app in enumerate(self._applications()):
            states[app.sync_status or "Unknown", app.health_status or "Unknown"] += 1
            if app.orphans is not None and count < self._limit:
                orphans.add_metric([app.namespace, app.name, app.project], app.orphans)
            if count < self._limit:
                info.add_metric(
                    [
                        app.namespace,
                        app.name,
                        app.project,
                        str(app.autosync).lower(),
                        scrub_url(app.repo),
                        app.dest_server,
                        app.dest_namespace,
                        app.sync_status or "Unknown",
                        app.health_status or "Unknown",
                        app.operation,
                    ],
                    1,
                )
        counts = GaugeMetricFamily(
            "gitops_applications", "Applications by state.", labels=["sync_status", "health_status"]
        )
        for (sync, health), number in sorted(states.items()):
            counts.add_metric([sync, health], number)
        return [info, orphans, counts]


class ClusterCollector(Collector):
    """`argocd_cluster_info`, whether it answers, and the size of the live index."""

    def __init__(self, clusters: Callable[[], Iterable[ClusterSummary]]) -> None:
        self._clusters = clusters

    def collect(self) -> Iterable[Metric]:
        """The metrics of now."""
        info = GaugeMetricFamily("argocd_cluster_info", "A cluster.", labels=["server", "k8s_version", "name"])
        status = GaugeMetricFamily(
            "argocd_cluster_connection_status", "Whether the cluster answers.", labels=["server", "k8s_version"]
        )
        objects = GaugeMetricFamily(
            "argocd_cluster_api_resource_objects", "Objects in the live index.", labels=["server"]
        )
        kinds = GaugeMetricFamily("argocd_cluster_api_resources", "Kinds that are followed.", labels=["server"])
        for cluster in self._clusters():
            kinds.add_metric([cluster.server], cluster.kinds)
            info.add_metric([cluster.server, cluster.version, cluster.name], 1)
            status.add_metric([cluster.server, cluster.version], 1 if cluster.connected else 0)
            objects.add_metric([cluster.server], cluster.objects)
        return [info, status, objects, kinds]
