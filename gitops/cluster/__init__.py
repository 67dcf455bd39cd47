"""The only place that speaks to an API server: connections, discovery, reading, writing, watching.

`Clusters` gives a `ClusterClient` for an Application's destination; `ClusterClient` reads and writes objects;
`run_parallel` does so for many at once; `Watches` follows many kinds of many clusters in one thread.
"""

from gitops.cluster.client import ClusterClient, Page
from gitops.cluster.connection import Connection
from gitops.cluster.discovery import ApiResource, Discovery
from gitops.cluster.errors import ApiError, ApiRefused, Cause, UnknownKind
from gitops.cluster.limits import AdaptiveLimiter, Limiter, Unlimited
from gitops.cluster.parallel import Outcome, run_parallel
from gitops.cluster.transport import Observer, Response, Transport

__all__ = [
    "AdaptiveLimiter",
    "ApiError",
    "ApiRefused",
    "ApiResource",
    "Cause",
    "ClusterClient",
    "Connection",
    "Discovery",
    "Limiter",
    "Observer",
    "Outcome",
    "Page",
    "Response",
    "Transport",
    "UnknownKind",
    "Unlimited",
    "run_parallel",
]
