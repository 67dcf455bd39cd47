"""A plain HTTP client for the testbed's API server: what tests need to arrange and look, and no more."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from pathlib import Path
from typing import Any

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class ApiError(Exception):
    """The API server refused; `status` is the HTTP status, `body` the Status object."""

    def __init__(self, method: str, path: str, status: int, body: Any) -> None:
        message = body.get("message", "") if isinstance(body, dict) else str(body)[:300]
        super().__init__(f"{method} {path}: {status} {message}")
        self.status = status
        self.body = body


class ApiClient:
    """JSON in, JSON out, with a bearer token; one connection a thread."""

    def __init__(self, port: int, ca_file: Path, token: str, timeout: float = 30.0) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(ca_file))
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._timeout = timeout
        self._local = threading.local()

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Send one request; returns the parsed answer (text where it is not JSON), raises ApiError from 400 up."""
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, "Content-Type": content_type}
        for last in (False, True):
            connection, sent = self._connection(), False
            try:
                connection.request(method, path, body=data, headers=headers)
                sent = True
                response = connection.getresponse()
                payload = response.read()
                break
            except (http.client.HTTPException, OSError):
                self.close()
                # What could not be sent over a connection that the server had closed meanwhile was not done.
                if last or (sent and method == "POST"):
                    raise
        try:
            answer = json.loads(payload)
        except ValueError:
            answer = payload.decode(errors="replace")
        if response.status >= 400:
            raise ApiError(method, path, response.status, answer)
        return answer

    def find(self, path: str) -> Any:
        """GET, or None where there is nothing."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def apply(self, path: str, body: dict[str, Any], manager: str = "testbed") -> Any:
        """Server-side apply of one object at its full path."""
        return self.request("PATCH", f"{path}?fieldManager={manager}&force=true", body, APPLY_PATCH)

    def close(self) -> None:
        """Close this thread's connection; the next request opens a new one."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
        self._local.connection = None

    def _connection(self) -> http.client.HTTPSConnection:
        connection: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self._port, context=self._context, timeout=self._timeout
            )
            self._local.connection = connection
        return connection
