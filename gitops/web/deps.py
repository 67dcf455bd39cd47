"""What the web server needs from the rest of the engine, as callables: it never speaks to Redis or a cluster itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitops.model.objects import Object
from gitops.observe.applications import AppSummary
from gitops.web.matching import WatchedApp


class Seen(Protocol):
    """Bodies of webhooks seen lately: a signature proves who sent a body, not that it is the first time.

    The provider's delivery id is no part of it, since it is not signed and could be made up.
    """

    def first(self, body: bytes) -> bool:
        """Remember a body; whether it was new."""

    def forget(self, body: bytes) -> None:
        """What could not be acted upon may come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """All are called in worker threads, may block for a second or two, and may raise GitOpsError."""

    #: The Applications that webhooks are matched against: cached, since a push asks for them all.
    watched: Callable[[], Iterable[WatchedApp]]
    #: Have the repositories of these ids (`namespace/name`) looked at anew; the reason is for logs.
    enqueue: Callable[[Sequence[str], str], None]
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
    #: What webhooks were received before.
    seen: Seen
    #: Returns where requests can be served; raises GitOpsError saying why not.
    ready: Callable[[], None]

    token: str = ""
    basic_auth: str = ""
    allow_unauthenticated: bool = False
    max_bytes: int = 5_000_000
    #: Webhooks a second.
    rate: float = 20.0
