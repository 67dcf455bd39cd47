"""A web application over plain lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from gitops.observe import AppSummary
from gitops.web import Deps, WatchedApp, WatchedSource, app

SECRETS = {
    "webhook.github.secret": "github-secret",
    "webhook.gitlab.secret": "gitlab-secret",
    "webhook.gogs.secret": "gogs-secret",
    "webhook.bitbucketserver.secret": "bitbucket-secret",
    "webhook.bitbucket.uuid": "{uuid-of-the-hook}",
    "webhook.azuredevops.username": "azure",
    "webhook.azuredevops.password": "azure-secret",
    "webhook.harbor.secret": "harbor-secret",
}


class Memory:
    """Bodies seen, for one test."""

    def __init__(self) -> None:
        self.bodies: set[bytes] = set()

    def first(self, body: bytes) -> bool:
        new = body not in self.bodies
        self.bodies.add(body)
        return new

    def forget(self, body: bytes) -> None:
        self.bodies.discard(body)


@dataclass
class World:
    """What the web server sees; tests change it."""

    apps: list[WatchedApp] = field(default_factory=list)
    enqueued: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=lambda: dict(SECRETS))
    objects: list[dict[str, Any]] = field(default_factory=list)
    summaries: list[AppSummary] = field(default_factory=list)
    queues: dict[str, int] = field(default_factory=dict)
    ready: Callable[[], None] = lambda: None
    fault: Exception | None = None
    seen: Memory = field(default_factory=Memory)

    def watch(self, name: str, repo_url: str, revision: str = "", path: str = "app", **more: Any) -> None:
        """Add an Application with one source."""
        self.apps.append(WatchedApp(f"argocd/{name}", (WatchedSource(repo_url, revision, path, **more),)))

    def _ready(self) -> None:
        self.ready()

    def _enqueue(self, ids: Sequence[str], _reason: str) -> None:
        if self.fault:
            raise self.fault
        self.enqueued += ids

    def client(self, **changed: Any) -> TestClient:
        """A client of the web application with these settings of Deps."""
        deps = Deps(
            watched=lambda: self.apps,
            enqueue=self._enqueue,
            webhook_secrets=lambda: self.secrets,
            applications=lambda: self.objects,
            application=lambda ns, name: next(
                (o for o in self.objects if (o["metadata"]["namespace"], o["metadata"]["name"]) == (ns, name)), None
            ),
            summaries=lambda: self.summaries,
            queues=lambda: self.queues,
            seen=self.seen,
            ready=self._ready,
            token="the-token",
        )
        return TestClient(app(replace(deps, **changed)), raise_server_exceptions=False)


@pytest.fixture
def world() -> World:
    return World()
