"""The only place that speaks to an API server: connections, discovery, reading, writing, watching.

`Clusters` gives a `ClusterClient` for an Application's destination; `ClusterClient` reads and writes objects;
`run_parallel` does so for many at once; `Watches` follows many kinds of many clusters in one thread.
"""

from gitops.cluster.client import ClusterClient, Page
from gitops.cluster.connection import Connection
from gitops.cluster.discovery import ApiResource, Discovery
from gitops.cluster.errors import ApiError, ApiRefused, Cause, InvalidObject, UnknownKind
from gitops.cluster.limits import AdaptiveLimiter, Limiter, Unlimited
from gitops.cluster.parallel import READERS, Outcome, run_parallel
from gitops.cluster.registry import Clusters, read_cluster
from gitops.cluster.transport import Observer, Response, Transport
from gitops.cluster.watch import Event, Watch
from gitops.cluster.watches import Watches

__all__ = [
    "READERS",
    "AdaptiveLimiter",
    "ApiError",
    "ApiRefused",
    "ApiResource",
    "Cause",
    "ClusterClient",
    "Clusters",
    "Connection",
    "Discovery",
    "Event",
    "InvalidObject",
    "Limiter",
    "Observer",
    "Outcome",
    "Page",
    "Response",
    "Transport",
    "UnknownKind",
    "Unlimited",
    "Watch",
    "Watches",
    "read_cluster",
    "run_parallel",
]
