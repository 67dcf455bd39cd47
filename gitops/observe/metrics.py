"""What is counted, and the functions that count it.

Names are Argo CD's where the meaning is the same (specs section 9), so that its dashboards show this engine; the others
begin with `gitops_`. Every label has a bounded set of values: what comes from outside passes through `_Bounded`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from gitops import __version__
from gitops.model.application import Application
from gitops.observe import multiprocess
from gitops.observe.scrub import scrub_url

_RECONCILE_BUCKETS = (0.25, 0.5, 1, 2, 4, 8, 16)
_GIT_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 4, 10, 20)
_TASK_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_WAIT_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600)

# A second series for each counter, which nobody here reads.
disable_created_metrics()

#: Everything that this process exposes.
REGISTRY = CollectorRegistry(auto_describe=False)

# Of a prefork worker: its parent's. Its children are the container's, which cAdvisor measures.
ProcessCollector(registry=REGISTRY)

_shared = multiprocess.directory()
if _shared:
    multiprocess.enable(_shared)
    REGISTRY.register(multiprocess.WorkerCollector(_shared))
#: Metrics kept in files are read through the collector above, not one by one.
_registry = None if _shared else REGISTRY


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=_registry)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(name, text, labels, buckets=buckets, registry=_registry)


class _Bounded:
    """The first `limit` values of a label are kept; what comes after is counted as `_other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        if value not in self._seen:
            if len(self._seen) >= self._limit:
                return "_other"
            self._seen.add(value)
        return value


# --- Argo CD's names ----------------------------------------

_APP = ("namespace", "name", "project")
_SYNC = _counter("argocd_app_sync", "Syncs that ended, by phase.", *_APP, "dest_server", "phase", "dry_run")
_SYNC_SECONDS = _counter("argocd_app_sync_duration_seconds", "Seconds spent in syncs.", *_APP, "dest_server")
_RECONCILE = _histogram(
    "argocd_app_reconcile", "Seconds of one reconciliation.", _RECONCILE_BUCKETS, "namespace", "dest_server"
)
# Without the labels of Applications and namespaces: times kinds, verbs and codes they would have no bound.
_API = _counter(
    "argocd_app_k8s_request", "Requests to API servers.", "server", "response_code", "verb", "resource_kind", "dry_run"
)
_API_SECONDS = _histogram(
    "argocd_kubectl_request_duration_seconds", "Seconds of a request to an API server.", _TASK_BUCKETS, "host", "verb"
)
_GIT = _counter("argocd_git_request", "Requests to Git servers.", "repo", "request_type")
_GIT_SECONDS = _histogram(
    "argocd_git_request_duration_seconds", "Seconds of a request to a Git server.", _GIT_BUCKETS, "repo", "request_type"
)
_GIT_FETCH_FAIL = _counter("argocd_git_fetch_fail", "Fetches that failed.", "repo")
_GIT_LS_FAIL = _counter("argocd_git_lsremote_fail", "ls-remote requests that failed.", "repo")
_CLUSTER_EVENTS = _counter("argocd_cluster_events", "Changes seen by the watches.", "server", "group", "kind")
_WEBHOOKS = _counter("argocd_webhook_requests", "Webhooks that were accepted.", "repo")
_WAIT = _histogram(
    "workqueue_queue_duration_seconds",
    "Seconds from publishing to the task's start.",
    _WAIT_BUCKETS,
    "name",
)
_RETRIES = _counter("workqueue_retries", "Operations tried again.", "name")

# --- ours ----------------------------------------

_TASK_SECONDS = _histogram("gitops_task_duration_seconds", "Seconds of one task.", _TASK_BUCKETS, "task", "outcome")
_TASK_FAILURES = _counter("gitops_task_failures", "Tasks that failed, by the error's kind.", "task", "reason")
_REDELIVERED = _counter("gitops_task_redelivered", "Messages that came a second time.", "task")
_LOCKS_LOST = _counter("gitops_locks_lost", "Workers that found their application's lock taken over.")
_RECYCLES = _counter("gitops_worker_child_recycles", "Worker processes replaced.", "reason")
_WEBHOOKS_REFUSED = _counter("gitops_webhook_refused", "Webhooks refused.", "provider", "reason")
_NOTIFICATIONS = _counter("gitops_notifications", "Notifications sent or not.", "trigger", "service", "outcome")

_app_names = _Bounded(20_000)
_repos = _Bounded(2_000)
_kinds = _Bounded(1_000)
_servers = _Bounded(1_000)
_reasons = _Bounded(200)

#: `busy`: somebody else works on the application, and the wish is noted for when he has ended.
Outcome = Literal["succeeded", "failed", "busy"]


def task_started(queue: str, enqueued_at: float | None, *, redelivered: bool = False, task: str = "") -> None:
    """A task starts that came through `queue`; `enqueued_at` is its message's header, Unix seconds (None: unknown)."""
    if enqueued_at is not None:
        _WAIT.labels(queue).observe(max(0.0, time.time() - enqueued_at))
    if redelivered:
        _REDELIVERED.labels(task or queue).inc()


def task_finished(task: str, outcome: Outcome, reason: str, seconds: float) -> None:
    """A task ended after `seconds`; `reason` is the error's class name or condition, empty when all is well."""
    _TASK_SECONDS.labels(task, outcome).observe(seconds)
    if outcome == "failed":
        _TASK_FAILURES.labels(task, _reasons(reason or "unknown")).inc()


def from_zero(tasks: Iterable[str]) -> None:
    """Show the counts of killed and replaced processes before there is one: a first sample is no increase to PromQL."""
    for task in tasks:
        for reason in ("TimeLimitExceeded", "WorkerLostError"):
            _TASK_FAILURES.labels(task, reason)
    for reason in ("memory", "tasks", "lost", "time"):
        _RECYCLES.labels(reason)


def task_killed(task: str, reason: Literal["TimeLimitExceeded", "WorkerLostError"]) -> None:
    """A task's process was killed: by the hard time limit, or from outside (memory of the node, a signal)."""
    _TASK_FAILURES.labels(task, reason).inc()
    child_recycled("time" if reason == "TimeLimitExceeded" else "lost")


def task_retried(queue: str) -> None:
    """An operation failed and will be tried again, as its retry policy says."""
    _RETRIES.labels(queue).inc()


def lock_lost() -> None:
    """A worker found its application's lock taken over."""
    _LOCKS_LOST.inc()


def child_recycled(reason: Literal["memory", "tasks", "lost", "time"]) -> None:
    """A worker process was replaced: by its memory bound, its task count, its death, or the hard time limit."""
    _RECYCLES.labels(reason).inc()


def sync_finished(app: Application, phase: str, seconds: float, *, dry_run: bool = False) -> None:
    """An operation of `app` ended in `phase` (Succeeded, Failed, Error) after `seconds`."""
    name = _app_names(app.name)
    server = _servers(app.spec.destination.server or app.spec.destination.name)
    _SYNC.labels(app.namespace, name, app.spec.project, server, phase, str(dry_run).lower()).inc()
    _SYNC_SECONDS.labels(app.namespace, name, app.spec.project, server).inc(seconds)


def reconcile_finished(namespace: str, server: str, seconds: float) -> None:
    """An application of `namespace`, destined for `server`, was compared in `seconds`."""
    _RECONCILE.labels(namespace, _servers(server)).observe(seconds)


def git_request(
    repo: str, request_type: Literal["ls-remote", "fetch"], seconds: float, *, failed: bool = False
) -> None:
    """A request to a Git server ended; credentials in `repo` are removed here."""
    label = _repos(scrub_url(repo))
    _GIT.labels(label, request_type).inc()
    _GIT_SECONDS.labels(label, request_type).observe(seconds)
    if failed:
        (_GIT_FETCH_FAIL if request_type == "fetch" else _GIT_LS_FAIL).labels(label).inc()


def api_request(server: str, verb: str, kind: str, code: int, seconds: float, *, dry_run: bool = False) -> None:
    """A request to an API server ended with HTTP `code` (0: no answer)."""
    host = _servers(server)
    _API.labels(host, str(code), verb, _kinds(kind), str(dry_run).lower()).inc()
    _API_SECONDS.labels(host, verb).observe(seconds)


def cluster_event(server: str, group: str, kind: str) -> None:
    """A watch saw an object change."""
    _CLUSTER_EVENTS.labels(_servers(server), _kinds(group), _kinds(kind)).inc()


def webhook_accepted(repo: str) -> None:
    """A push was accepted for `repo`."""
    _WEBHOOKS.labels(_repos(scrub_url(repo))).inc()


def webhook_refused(provider: str, reason: str) -> None:
    """A webhook was turned away; both labels are words of ours, never the sender's."""
    _WEBHOOKS_REFUSED.labels(provider, reason).inc()


def notification(trigger: str, service: str, *, sent: bool) -> None:
    """A notification went out, or could not."""
    _NOTIFICATIONS.labels(_reasons(trigger), _reasons(service), "sent" if sent else "failed").inc()


@cache
def _gauge(name: str, text: str, *labels: str) -> Gauge:
    """Made at first use, so that a process shows only the gauges that it sets."""
    return Gauge(name, text, labels, registry=_registry, multiprocess_mode="livemax")


def leader(leads: bool) -> None:
    """Whether this beat leads."""
    _gauge("gitops_leader", "1 where this beat leads.").set(1 if leads else 0)


def beat_ticked() -> None:
    """Beat's clock went round."""
    _gauge("gitops_beat_last_tick_timestamp_seconds", "When beat last ticked.").set(time.time())


def build_info(component: Literal["worker", "beat", "web"]) -> None:
    """Say what this process is: `gitops_build_info{component,version} 1`; the no-worker alert sees its absence."""
    _gauge("gitops_build_info", "What runs here.", "component", "version").labels(component, __version__).set(1)
