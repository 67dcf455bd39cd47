"""`gitops web`: webhooks, the read API and the status page, over the control cluster and Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from redis import RedisError

from gitops.cluster import ClusterClient, UnknownKind
from gitops.errors import GitOpsError
from gitops.model.credentials import secret_data
from gitops.model.names import GROUP, MANIFEST_GENERATE_PATHS, VERSION
from gitops.model.objects import GVK, Object, ObjectKey
from gitops.observe import logs, metrics, serve, trace
from gitops.observe.applications import summary
from gitops.reconcile.clusters import registry
from gitops.settings import Settings, settings
from gitops.state import State
from gitops.state.envelope import envelope
from gitops.state.queue import SET_PREFIX, Rank
from gitops.state.seen import Seen
from gitops.web import Deps, WatchedApp, WatchedSource, run

T = TypeVar("T")
P = ParamSpec("P")
APPLICATION = GVK(GROUP, VERSION, "Application")
APPLICATION_SET = GVK(GROUP, VERSION, "ApplicationSet")
#: Seconds that the list of Applications is believed: a flood of webhooks costs the API server nothing.
_LIST_SECONDS = 2.0


def web() -> None:
    """Serve until SIGTERM. Settings: GITOPS_WEB_*, GITOPS_WEBHOOK_*."""
    logs.setup(settings().log_format, settings().log_level)
    trace.start("gitops-web", settings().trace_endpoint)
    if settings().metrics_port:
        metrics.build_info("web")
        serve(settings().metrics_port, settings().metrics_host)
    run(deps(settings()), settings().web_host, settings().web_port)


def deps(settings: Settings) -> Deps:
    """What the web server works with."""
    state = State(settings, trace.carrying(envelope))
    clusters, _control = registry(settings, state)
    backend = Backend(state, clusters.control, settings.namespace, settings.served_namespaces)
    return Deps(
        watched=_answered(backend.watched),
        enqueue=_answered(backend.enqueue),
        webhook_secrets=backend.webhook_secrets,
        applications=backend.applications,
        application=backend.application,
        summaries=lambda: [summary(obj) for obj in backend.applications()],
        queues=_answered(state.queue.depths),
        seen=Seen(state.redis, state.keys),
        ready=backend.ready,
        token=settings.web_token.get_secret_value(),
        basic_auth=settings.web_basic_auth.get_secret_value(),
        allow_unauthenticated=settings.webhook_allow_unauthenticated,
        max_bytes=settings.webhook_max_bytes,
        rate=settings.webhook_rate,
    )


class Backend:
    """Reads the control cluster, and wishes for what a push touches."""

    def __init__(self, state: State, client: ClusterClient, namespace: str, served: Sequence[str] = ()) -> None:
        self._state, self._client, self._namespace, self._served = state, client, namespace, served
        self.applications = _cached(self._list, _LIST_SECONDS)
        self._sets = _cached(self._list_sets, _LIST_SECONDS)
        self.webhook_secrets = _cached(self._secrets, 10.0)

    def _list(self) -> Sequence[Object]:
        return [
            obj
            for namespace in self._served or (None,)
            for obj in self._client.list(APPLICATION, namespace=namespace, cached=True)
        ]

    def _list_sets(self) -> Sequence[str]:
        """The ids of the ApplicationSets; none where the cluster has no such kind."""
        try:
            found = self._client.list(APPLICATION_SET, namespace=self._namespace, metadata_only=True, cached=True)
            return [f"{SET_PREFIX}{self._namespace}/{obj['metadata']['name']}" for obj in found]
        except UnknownKind:
            return []

    def _secrets(self) -> dict[str, str]:
        found = self._client.get(ObjectKey("", "Secret", self._namespace, "argocd-secret"))
        return secret_data(found) if found else {}

    def application(self, namespace: str, name: str) -> Object | None:
        return self._client.get(ObjectKey(GROUP, "Application", namespace, name))

    def watched(self) -> Iterable[WatchedApp]:
        """What webhooks are matched against, with the paths that each render was seen to read."""
        found = []
        apps = self.applications()
        ids = [f"{o['metadata']['namespace']}/{o['metadata']['name']}" for o in apps]
        for app_id, obj, desired in zip(ids, apps, self._state.apps.desired_of(ids), strict=True):
            spec = obj.get("spec") or {}
            sources = spec.get("sources") or ([spec["source"]] if spec.get("source") else [])
            inputs = [frozenset(paths[1:]) for paths in desired.inputs] if desired and not desired.error else []
            paths = (obj["metadata"].get("annotations") or {}).get(MANIFEST_GENERATE_PATHS, "")
            found.append(
                WatchedApp(
                    app_id,
                    tuple(
                        WatchedSource(
                            str(source.get("repoURL") or ""),
                            str(source.get("targetRevision") or ""),
                            str(source.get("path") or ""),
                            paths,
                            inputs[n] if n < len(inputs) else None,
                        )
                        for n, source in enumerate(sources)
                    ),
                )
            )
        sets = self._sets()
        for set_id, desired in zip(sets, self._state.apps.desired_of(sets), strict=True):
            read = [WatchedSource(t.url, t.ref, "") for t in desired.tracked] if desired else []
            found.append(WatchedApp(set_id, tuple(read)))
        return found

    def enqueue(self, ids: Sequence[str], _reason: str) -> None:
        """A push touches these Applications and ApplicationSets: their repository is looked at anew, before any poll.

        What is known of it is forgotten before the first of them is wished for, so that one look serves all.
        """
        with trace.span("webhook", applications=len(ids)):
            for app_id in ids:
                self._state.look_anew(app_id)
            self._state.queue.want_look(ids, Rank.WEBHOOK)

    def ready(self) -> None:
        """Raises GitOpsError where Redis or the control cluster does not answer."""
        try:
            self._state.redis.ping()
        except Exception as error:
            raise GitOpsError(f"Redis does not answer ({type(error).__name__})") from None
        self._client.discovery.server_version()


def _answered(ask: Callable[P, T]) -> Callable[P, T]:
    """`ask`, with a Redis that does not answer as an error that people read."""

    @wraps(ask)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return ask(*args, **kwargs)
        except RedisError as error:
            raise GitOpsError(f"Redis does not answer ({type(error).__name__})") from None

    return asked


def _cached(read: Callable[[], T], seconds: float) -> Callable[[], T]:
    """The same answer for some seconds."""
    kept: list[tuple[float, T]] = []

    def get() -> T:
        if not kept or time.monotonic() - kept[0][0] > seconds:
            kept[:] = [(time.monotonic(), read())]
        return kept[0][1]

    return get
