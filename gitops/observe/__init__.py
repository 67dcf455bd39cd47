"""What the engine tells of itself: metrics, logs, Kubernetes Events, traces, liveness and notifications.

The other rooms below do not know this one; they take callables, and reconcile, workers and beat pass these in:

- `metrics`   functions that count: `task_started`, `task_finished`, `sync_finished`, `git_request`, `api_request`, ...
- `logs`      `setup(format, level)`, `context(app=..., revision=...)`, `step(logger, "fetch")`
- `events`    `EventRecorder(write)`: Events on Applications
- `trace`     `span("fetch", headers)`, `inject()`; nothing happens without an endpoint
- `probe`     `mark(data_dir, "worker-loop")`, and the checks behind `gitops probe`
- `notify`    `Notifier`: argocd-notifications-cm and its annotations as they are

A worker's parent: `metrics.build_info("worker"); serve(port)`. Beat: the same with `QueueCollector`, `AppCollector` and
`ClusterCollector` registered in `REGISTRY`.
"""

from gitops.observe import events, logs, metrics, probe, trace
from gitops.observe.applications import AppCollector, AppSummary, ClusterCollector, ClusterSummary
from gitops.observe.background import BackgroundWriter
from gitops.observe.events import EventRecorder
from gitops.observe.exposition import serve
from gitops.observe.metrics import REGISTRY
from gitops.observe.queues import QUEUES, QueueCollector
from gitops.observe.scrub import hide, scrub, scrub_url

__all__ = [
    "QUEUES",
    "REGISTRY",
    "AppCollector",
    "AppSummary",
    "BackgroundWriter",
    "ClusterCollector",
    "ClusterSummary",
    "EventRecorder",
    "QueueCollector",
    "events",
    "hide",
    "logs",
    "metrics",
    "probe",
    "scrub",
    "scrub_url",
    "serve",
    "trace",
]
