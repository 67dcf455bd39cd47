"""What the web server needs from the rest of the engine, as callables: it never speaks to Redis or a cluster itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gitops.model.objects import Object
from gitops.observe.applications import AppSummary
from gitops.web.matching import WatchedApp


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """All are called in worker threads, may block for a second or two, and may raise GitOpsError."""

    #: The Applications that webhooks are matched against: cached, since a push asks for them all.
    watched: Callable[[], Iterable[WatchedApp]]
    #: Publish `fetch` for an application id (`namespace/name`); the reason is for logs.
    enqueue: Callable[[str, str], None]
    #: The data of Secret argocd-secret, decoded.
    webhook_secrets: Callable[[], Mapping[str, str]]
    #: Application objects as on the API server.
    applications: Callable[[], Sequence[Object]]
    #: One of them; None where there is none.
    application: Callable[[str, str], Object | None]
    #: What the page shows, of all applications.
    summaries: Callable[[], Sequence[AppSummary]]
    #: Messages waiting, by queue.
    queues: Callable[[], Mapping[str, int]]
    #: Returns where requests can be served; raises GitOpsError saying why not.
    ready: Callable[[], None]

    token: str = ""
    basic_auth: str = ""
    allow_unauthenticated: bool = False
    max_bytes: int = 5_000_000
    #: Webhooks a second.
    rate: float = 20.0
