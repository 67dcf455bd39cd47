"""POST /api/webhook: a push becomes `fetch` for the applications that it touches, and for no others."""

from __future__ import annotations

import logging
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from gitops.errors import GitOpsError
from gitops.observe import logs, metrics
from gitops.web.deps import Deps
from gitops.web.errors import WebhookRefused
from gitops.web.guard import Bucket
from gitops.web.matching import touched
from gitops.web.providers import Headers, Provider, authenticate, detect, read

_log = logging.getLogger("gitops.webhook")


class WebhookReceiver:
    """Answers 200 with the number of applications refreshed, or says in one sentence why not.

    400 unknown or unreadable, 401 not genuine, 409 seen before, 413 too large, 429 too many, 503 not enqueued.
    """

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._bucket = Bucket(deps.rate, deps.rate * 10)

    async def receive(self, request: Request) -> Response:
        """Handle one delivery."""
        provider: Provider | None = None
        try:
            if not self._bucket.take():
                raise WebhookRefused("Too many webhooks; send this one again later", status=429, reason="flood")
            headers = {name.lower(): value for name, value in request.headers.items()}
            provider = detect(headers)
            body = await self._body(request)
            return await run_in_threadpool(self._handle, provider, headers, body)
        except WebhookRefused as error:
            metrics.webhook_refused(provider.name if provider else "unknown", error.reason)
            logs.event(
                _log, "webhook refused", logging.WARNING, reason=error.reason, provider=provider and provider.name
            )
            retry = {"Retry-After": "10"} if error.status in (429, 503) else None
            return JSONResponse({"error": str(error)}, error.status, headers=retry)
        except ClientDisconnect:
            return Response(status_code=400)

    async def _body(self, request: Request) -> bytes:
        limit = self._deps.max_bytes
        too_large = WebhookRefused(f"A webhook may have {limit} bytes at most", status=413, reason="size")
        if int(request.headers.get("content-length") or 0) > limit:
            raise too_large
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large
        return bytes(body)

    def _handle(self, provider: Provider, headers: Headers, body: bytes) -> Response:
        deps = self._deps
        try:
            secrets = deps.webhook_secrets()
        except GitOpsError as error:
            raise WebhookRefused(str(error), status=503, reason="unavailable") from error
        proven = authenticate(provider, headers, body, secrets, allow_unauthenticated=deps.allow_unauthenticated)
        pushes = read(provider, headers, body)
        if not pushes:
            return JSONResponse({"applications": 0, "message": "Nothing was pushed"})
        try:
            new = deps.seen.first(body)
        except GitOpsError as error:
            raise WebhookRefused(f"Not enqueued, send it again: {error}", status=503, reason="unavailable") from error
        if not new:
            raise WebhookRefused("This webhook was received before", status=409, reason="replay")
        try:
            apps = list(deps.watched())
            ids = list(dict.fromkeys(app for push in pushes for app in touched(push, apps)))
            if ids:
                deps.enqueue(ids, f"webhook {provider.name}")
        except GitOpsError as error:
            with suppress(GitOpsError):
                deps.seen.forget(body)
            raise WebhookRefused(f"Not enqueued, send it again: {error}", status=503, reason="unavailable") from error
        if proven or ids:
            # The label is a URL of ours or of somebody who proved himself, never a stranger's invention.
            metrics.webhook_accepted(pushes[0].urls[0] if proven else "unauthenticated")
        logs.event(
            _log, "webhook", provider=provider.name, repo=pushes[0].urls[0], applications=len(ids), proven=proven
        )
        return JSONResponse({"applications": len(ids)})
