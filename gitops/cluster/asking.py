"""Requests to the API server with the manners that a client owes it: the write limit, and waiting when it is busy."""

from __future__ import annotations

import time
from random import uniform
from typing import cast

from gitops.cluster.errors import api_error
from gitops.cluster.limits import Limiter
from gitops.cluster.transport import Response, Transport
from gitops.errors import ClusterError
from gitops.model.objects import Object

JSON = "application/json"
#: A busy server (429 or 503, with Retry-After) is asked this often, and waited for so many seconds in all.
_ATTEMPTS = 3
_PATIENCE = 5.0


class Asker:
    """Sends requests of one user to one cluster."""

    def __init__(self, transport: Transport, limiter: Limiter, headers: str, timeout: float) -> None:
        """Takes the header lines that go with each request, and the seconds that one may take."""
        self.transport = transport
        self.limiter = limiter
        self.headers = headers
        self.timeout = timeout

    def ask(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Response:
        """One request, repeated a little where the server is busy; anything but GET holds the limiter.

        Returns the answer whatever its status. Raises ClusterError where there is none.
        """
        patience = _PATIENCE
        attempt = 1
        while True:
            if method == "GET":
                response = self.once(verb, method, path, body, content_type, accept)
            else:
                response = self._limited(verb, method, path, body, content_type, accept)
            pause = response.retry_after
            if response.status not in (429, 503) or pause is None or attempt == _ATTEMPTS or pause > patience:
                return response
            patience -= pause
            attempt += 1
            time.sleep(uniform(pause, pause * 1.2))  # noqa: S311

    def once(
        self,
        verb: str,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        headers: str = "",
    ) -> Response:
        """One request without limit and without repetition."""
        return self.transport.request(
            method,
            path,
            body=body,
            content_type=content_type,
            accept=accept,
            headers=self.headers + headers,
            timeout=self.timeout,
            verb=verb,
        )

    def _limited(
        self, verb: str, method: str, path: str, body: bytes | None, content_type: str, accept: str
    ) -> Response:
        self.limiter.acquire()
        began, status = time.monotonic(), 0
        try:
            response = self.once(verb, method, path, body, content_type, accept)
            status = response.status
            return response
        finally:
            self.limiter.release(time.monotonic() - began, status)


def parsed(response: Response, what: str) -> Object:
    """The object in a good answer. Raises ApiError for any other; `what` says in words what was asked for."""
    if response.status >= 400:
        raise api_error(what, response.status, response.body, response.retry_after)
    answer = response.json()
    if not isinstance(answer, dict):
        raise ClusterError(f"{what}: the server's answer is not an object; check for a proxy in between")
    return cast(Object, answer)
