"""The routes."""

from __future__ import annotations

import logging
import time
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gitops.errors import GitOpsError
from gitops.observe.scrub import scrub
from gitops.web import page
from gitops.web.deps import Deps
from gitops.web.guard import Gate
from gitops.web.masking import masked
from gitops.web.webhook import WebhookReceiver

_log = logging.getLogger("gitops.web")
_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def app(deps: Deps) -> Starlette:
    """The web application:

    POST /api/webhook                            pushes; proven by their signatures
    GET  /healthz, /readyz                       for probes; open
    GET  /api/v1/applications                    `{"items": [...]}`; `?project=`, `?namespace=`
    GET  /api/v1/applications/{namespace}/{name} one; 404 where there is none
    GET  /                                       the status page; `?q=` searches

    The last three need the token or basic auth, and are closed where neither is set.
    """
    api = _ReadApi(deps)
    return Starlette(
        routes=[
            Route("/api/webhook", WebhookReceiver(deps).receive, methods=["POST"]),
            Route("/healthz", _alive),
            Route("/readyz", api.ready),
            Route("/api/v1/applications", api.applications),
            Route("/api/v1/applications/{namespace}/{name}", api.application),
            Route("/page.css", _style),
            Route("/", api.status_page),
        ],
        exception_handlers={GitOpsError: _unavailable},
        middleware=[Middleware(SecurityHeaders)],
    )


def run(deps: Deps, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; open requests are ended first."""
    uvicorn.run(
        app(deps),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
        limit_concurrency=200,
        h11_max_incomplete_event_size=32_768,
    )


class SecurityHeaders:
    """Adds the headers that every answer carries."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await self._inner(scope, receive, with_headers)


class _ReadApi:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._gate = Gate(deps.token, deps.basic_auth)

    async def ready(self, _request: Request) -> Response:
        try:
            await run_in_threadpool(self._deps.ready)
        except GitOpsError as error:
            return PlainTextResponse(scrub(str(error)), 503)
        return PlainTextResponse("ok")

    async def applications(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        found = await run_in_threadpool(self._deps.applications)
        project, namespace = request.query_params.get("project"), request.query_params.get("namespace")
        items = [
            masked(item)
            for item in found
            if (not project or (item.get("spec") or {}).get("project") == project)
            and (not namespace or item["metadata"].get("namespace") == namespace)
        ]
        return _json({"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationList", "items": items})

    async def application(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        namespace, name = request.path_params["namespace"], request.path_params["name"]
        found = await run_in_threadpool(self._deps.application, namespace, name)
        if found is None:
            return _json({"error": f"There is no Application {namespace}/{name}"}, 404)
        return _json(masked(found))

    async def status_page(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        apps = await run_in_threadpool(self._deps.summaries)
        queues = await run_in_threadpool(self._deps.queues)
        return HTMLResponse(page.render(apps, queues, request.query_params.get("q", "")[:200], time.time()))

    def _refusal(self, request: Request) -> Response | None:
        if self._gate.admits(request.headers.get("authorization", "")):
            return None
        return PlainTextResponse(
            "Give the token (GITOPS_WEB_TOKEN) as a bearer token, or as the password of any user.",
            401,
            headers={"WWW-Authenticate": 'Basic realm="gitops", charset="UTF-8"'},
        )


async def _alive(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def _style(_request: Request) -> Response:
    return Response(page.STYLE, media_type="text/css")


async def _unavailable(_request: Request, error: Exception) -> Response:
    _log.warning("%s", error)
    return _json({"error": scrub(str(error))}, 503)


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
