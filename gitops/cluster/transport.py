"""Requests to one API server over a pool of keep-alive HTTP/1.1 connections.

Hand-written because it is the hot path: 0.2 ms of CPU a request, http.client needs twice that (performance spec
section 4).
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import orjson

from gitops.cluster.connection import Connection
from gitops.cluster.forking import on_fork
from gitops.cluster.wire import MAX_HEAD, ChunkDecoder, Head, parse_head
from gitops.errors import ClusterError

#: Called after each answer with (Kubernetes verb, HTTP status or 0 where there was none, seconds, path with its query).
Observer = Callable[[str, int, float, str], None]

DEFAULT_TIMEOUT = 30.0
#: API servers close a connection that was idle for 90 s; we do so earlier.
_MAX_IDLE_SECONDS = 60.0
#: More connections make an API server slower (performance spec section 3), so more than this are not kept.
_MAX_IDLE = 32
#: No answer is larger: lists come in pages.
_MAX_BODY = 256 * 1024 * 1024
_READ = 64 * 1024
#: Methods whose repetition has no second effect; POST and JSON patches are sent once.
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
_REPEATABLE_PATCHES = frozenset({"application/apply-patch+yaml", "application/merge-patch+json"})


class Response(NamedTuple):
    """An answer. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        """The parsed body. Raises ClusterError where it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise ClusterError("the server's answer is not JSON; check for a proxy in between") from None

    @property
    def retry_after(self) -> float | None:
        """Retry-After in seconds, or None."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isdigit() else None


class Stale(ClusterError):
    """The connection was closed before a byte of the answer came."""

    def __init__(self) -> None:
        super().__init__("the server closed the connection without an answer")


class Transport:
    """The pool of one cluster. Safe to use from several threads; a forked child starts with an empty pool."""

    def __init__(self, connection: Connection, observer: Observer | None = None) -> None:
        self.connection = connection
        #: False once the server refused to send a list as a watch (performance spec section 5).
        self.streaming_lists = True
        self._observer = observer
        host = f"[{connection.host}]" if ":" in connection.host else connection.host
        self._head = f" HTTP/1.1\r\nHost: {host}:{connection.port}\r\nUser-Agent: gitops-engine\r\n"
        self._lock = threading.Lock()
        self._idle: list[tuple[socket.socket, float]] = []
        self._busy: set[socket.socket] = set()
        on_fork(self)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        headers: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        verb: str = "",
    ) -> Response:
        """Send one request and read its answer, whatever its status.

        Takes the API path (quoted), the body as the bytes to send, further header lines (each ending in CRLF), and the
        seconds within which the answer must be there. A 401 is repeated once with fresh credentials.
        Raises ClusterError where there is no answer.
        """
        began = time.monotonic()
        deadline = began + timeout
        status = 0
        try:
            authorization = self.connection.auth.header()
            response = self._send(method, path, body, content_type, accept, headers, authorization, deadline)
            if response.status == 401 and self.connection.auth.refresh(authorization):
                authorization = self.connection.auth.header()
                response = self._send(method, path, body, content_type, accept, headers, authorization, deadline)
            status = response.status
            return response
        finally:
            if self._observer is not None:
                self._observer(verb or method.lower(), status, time.monotonic() - began, path)

    def head(
        self, method: str, path: str, *, accept: str, authorization: str, headers: str = "", extra: str = ""
    ) -> bytes:
        """The bytes of a request's head up to and including the empty line."""
        login = f"Authorization: {authorization}\r\n" if authorization else ""
        target = f"{method} {self.connection.prefix}{path}"
        return f"{target}{self._head}{login}{headers}Accept: {accept}\r\n{extra}\r\n".encode("latin-1")

    def close(self) -> None:
        """Close what is idle. The transport can still be used."""
        with self._lock:
            idle, self._idle = self._idle, []
        for sock, _ in idle:
            sock.close()

    def after_fork(self) -> None:
        """In a child: the parent's connections are not ours to speak on."""
        self._lock = threading.Lock()
        for sock in [*self._busy, *(sock for sock, _ in self._idle)]:
            sock.close()
        self._idle, self._busy = [], set()

    # --- one exchange ------------------------------------------------------------------------------------------------

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        content_type: str,
        accept: str,
        headers: str,
        authorization: str,
        deadline: float,
    ) -> Response:
        extra = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n" if body is not None else ""
        head = self.head(method, path, accept=accept, authorization=authorization, headers=headers, extra=extra)
        data = head + body if body else head
        repeatable = method in _REPEATABLE or content_type in _REPEATABLE_PATCHES
        while True:
            sock, reused = self._take(deadline, fresh=not repeatable)
            keep = False
            try:
                response, keep = _exchange(sock, data, method, deadline)
                return response
            except Stale:
                if reused and repeatable:
                    self.close()  # its neighbours were most likely closed by the same restart
                    continue
                raise ClusterError(
                    f"cluster {self.connection.server} closed the connection without an answer"
                ) from None
            except TimeoutError:
                raise ClusterError(
                    f"cluster {self.connection.server} did not answer {method} {path.partition('?')[0]} in time"
                ) from None
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise ClusterError(f"cluster {self.connection.server}: the connection broke: {reason}") from None
            finally:
                self._give(sock, keep)

    def _take(self, deadline: float, *, fresh: bool) -> tuple[socket.socket, bool]:
        """A connection, and whether it was used before."""
        oldest = time.monotonic() - _MAX_IDLE_SECONDS
        while True:
            with self._lock:
                if not self._idle:
                    break
                sock, since = self._idle.pop()
                self._busy.add(sock)
            if since > oldest and not (fresh and time.monotonic() - since > 1.0):
                return sock, True
            self._give(sock, False)
        left = deadline - time.monotonic()
        if left <= 0:
            raise ClusterError(f"cluster {self.connection.server} cannot be reached in time")
        sock = self.connection.open(min(left, 10.0))
        with self._lock:
            self._busy.add(sock)
        return sock, False

    def _give(self, sock: socket.socket, keep: bool) -> None:
        with self._lock:
            self._busy.discard(sock)
            if keep and len(self._idle) < _MAX_IDLE:
                self._idle.append((sock, time.monotonic()))
                return
        sock.close()


def read_head(sock: socket.socket, deadline: float) -> tuple[Head, bytes]:
    """Read an answer's head from a blocking socket; also gives what came after it.

    Raises Stale where the connection ended before the first byte, TimeoutError, OSError, ClusterError.
    """
    data = b""
    while True:
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            head = parse_head(data[:end])
            data = data[end + 4 :]
            if head.status >= 200:
                return head, data
            continue  # 1xx: the real one follows
        if len(data) > MAX_HEAD:
            raise ClusterError("the server's answer has too long a head; check for a proxy in between")
        more = _receive(sock, deadline, nothing_yet=not data)
        data = data + more if data else more


def read_body(sock: socket.socket, head: Head, data: bytes, method: str, deadline: float) -> tuple[bytes, bool]:
    """Read an answer's body, of which `data` is the beginning; also says whether the connection can be used again."""
    if method == "HEAD" or head.status in (204, 304):
        return b"", head.keep_alive
    if head.chunked:
        decoder = ChunkDecoder()
        parts = [decoder.feed(data)]
        size = len(parts[0])
        while not decoder.done:
            part = decoder.feed(_receive(sock, deadline))
            size += len(part)
            if size > _MAX_BODY:
                raise ClusterError(f"the server's answer is larger than {_MAX_BODY} bytes")
            parts.append(part)
        return b"".join(parts), head.keep_alive
    length = head.length
    if length is None:
        raise ClusterError("the server's answer has no length; check for a proxy in between")
    if length > _MAX_BODY:
        raise ClusterError(f"the server's answer is larger than {_MAX_BODY} bytes")
    if len(data) < length:
        parts, missing = [data], length - len(data)
        while missing > 0:
            part = _receive(sock, deadline)
            missing -= len(part)
            parts.append(part)
        data = b"".join(parts)
    return data[:length], head.keep_alive


def _exchange(sock: socket.socket, data: bytes, method: str, deadline: float) -> tuple[Response, bool]:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left)
    try:
        sock.sendall(data)
        head, rest = read_head(sock, deadline)
    except (BrokenPipeError, ConnectionResetError, ConnectionAbortedError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        raise Stale from None
    body, keep = read_body(sock, head, rest, method, deadline)
    return Response(head.status, head.headers, body), keep


def _receive(sock: socket.socket, deadline: float, *, nothing_yet: bool = False) -> bytes:
    """The next bytes. The socket's own timeout was set when the exchange began; slow drips are caught here."""
    if time.monotonic() > deadline:
        raise TimeoutError
    data = sock.recv(_READ)
    if not data:
        if nothing_yet:
            raise Stale
        raise ConnectionError("it ended in the middle of an answer")
    return data
