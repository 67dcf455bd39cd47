"""The open connection of one watch: asked for in the ordinary way, then read without ever waiting."""

from __future__ import annotations

import socket
import ssl
import time

from gitops.cluster.errors import api_error
from gitops.cluster.transport import Transport, read_body, read_head
from gitops.cluster.wire import ChunkDecoder, Head, LineSplitter
from gitops.errors import ClusterError

#: The longest event, bytes. etcd takes no object larger than 1.5 MiB by default.
MAX_LINE = 8 * 1024 * 1024
#: Reads in one go before other watches have their turn; a read is at most one TLS record of 16 KiB.
_READS = 16


class Stream:
    """A watch's connection, non-blocking."""

    def __init__(self, sock: socket.socket, head: Head, rest: bytes) -> None:
        self.sock = sock
        #: Whether the server ended it properly.
        self.ended = False
        self._chunks = ChunkDecoder() if head.chunked else None
        self._lines = LineSplitter(MAX_LINE)
        self._rest = rest
        sock.setblocking(False)

    def fileno(self) -> int:
        return self.sock.fileno()

    def read(self) -> tuple[list[bytes], bool]:
        """The lines that have come, and whether more may be waiting already.

        Raises ClusterError where the connection broke or the framing is wrong; `ended` is set at a proper end.
        """
        lines = self._take(self._rest) if self._rest else []
        self._rest = b""
        for _ in range(_READS):
            if self.ended:
                return lines, False
            try:
                data = self.sock.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return lines, False
            except OSError as error:
                if lines:  # what came before the break is good; the break is met again at the next read
                    return lines, True
                raise ClusterError(f"the watch's connection broke: {error.strerror or type(error).__name__}") from None
            if not data:
                if lines:
                    return lines, True
                raise ClusterError("the watch's connection was closed in the middle")
            lines += self._take(data)
        return lines, True

    def _take(self, data: bytes) -> list[bytes]:
        if self._chunks is None:
            return self._lines.feed(data)
        body = self._chunks.feed(data)
        self.ended = self._chunks.done
        return self._lines.feed(body) if body else []

    def close(self) -> None:
        self.sock.close()


def open_stream(transport: Transport, path: str, accept: str, headers: str, what: str, timeout: float) -> Stream:
    """Ask for a watch; blocks until the server begins to answer, at most `timeout` seconds.

    Raises ApiError where the server refuses, ClusterError where it cannot be reached.
    """
    connection = transport.connection
    deadline = time.monotonic() + timeout
    authorization = connection.auth.header()
    for again in (True, False):
        sock = connection.open(min(timeout, 10.0))
        try:
            _keep_alive(sock)
            sock.settimeout(timeout)
            sock.sendall(transport.head("GET", path, accept=accept, authorization=authorization, headers=headers))
            head, rest = read_head(sock, deadline)
            if head.status == 200:
                return Stream(sock, head, rest)
            body, _ = read_body(sock, head, rest, "GET", deadline)
        except TimeoutError:
            sock.close()
            raise ClusterError(f"cluster {connection.server} did not answer {what} in time") from None
        except OSError as error:
            sock.close()
            reason = error.strerror or type(error).__name__
            raise ClusterError(f"cluster {connection.server}: the connection broke: {reason}") from None
        except BaseException:
            sock.close()
            raise
        sock.close()
        if not (again and head.status == 401 and connection.auth.refresh(authorization)):
            retry_after = head.headers.get("retry-after", "")
            raise api_error(what, head.status, body, float(retry_after) if retry_after.isdigit() else None)
        authorization = connection.auth.header()
    raise AssertionError(what)


def _keep_alive(sock: socket.socket) -> None:
    """Notice within half a minute that the other side is gone without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
