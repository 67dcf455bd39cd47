"""HTTP/1.1 as an API server speaks it: answer heads, and bodies by length or in chunks. No sockets here."""

from __future__ import annotations

from typing import NamedTuple

from gitops.errors import ClusterError

#: The longest answer head and the longest chunk-size line that we take, bytes.
MAX_HEAD = 64 * 1024
_MAX_SIZE_LINE = 1024


class Head(NamedTuple):
    """The head of an answer. Header names are lower case; a repeated header keeps its last value."""

    status: int
    headers: dict[str, str]

    @property
    def length(self) -> int | None:
        """Content-Length in bytes, or None."""
        value = self.headers.get("content-length")
        return int(value) if value is not None and value.isdigit() else None

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"

    @property
    def keep_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


def parse_head(data: bytes) -> Head:
    """Read an answer's head (everything before the empty line).

    Raises ClusterError where this is not HTTP/1.1.
    """
    line, _, rest = data.partition(b"\r\n")
    if not line.startswith(b"HTTP/1.") or not line[9:12].isdigit():
        raise ClusterError("the server does not speak HTTP/1.1; check the cluster's server address")
    headers: dict[str, str] = {}
    for row in rest.decode("latin-1").split("\r\n"):
        name, _, value = row.partition(":")
        headers[name.lower()] = value.strip()
    return Head(int(line[9:12]), headers)


class ChunkDecoder:
    """Takes a chunked body apart as its bytes come in; holds no more than one partial size line."""

    __slots__ = ("_left", "_line", "_state", "done")

    def __init__(self) -> None:
        self._state = "size"
        self._left = 0
        self._line = b""
        #: Whether the last chunk has been seen.
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """The body bytes in `data`; `done` is set at the end. Raises ClusterError where the framing is broken."""
        if self._state == "data" and len(data) < self._left:  # the common case of a large chunk
            self._left -= len(data)
            return data
        parts: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.done:
            if self._state == "data":
                take = min(self._left, end - at)
                parts.append(data[at : at + take])
                at += take
                self._left -= take
                if not self._left:
                    self._state = "data-end"
                continue
            newline = data.find(b"\n", at)
            if newline < 0:
                self._line += data[at:]
                if len(self._line) > _MAX_SIZE_LINE:
                    raise ClusterError("the server sent a broken chunked answer; check for a proxy in between")
                break
            line = (self._line + data[at:newline]).strip()
            self._line = b""
            at = newline + 1
            self._next(line)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def _next(self, line: bytes) -> None:
        if self._state == "data-end":
            self._state = "size"
        elif self._state == "trailer":
            self.done = not line
        else:
            try:
                self._left = int(line.partition(b";")[0], 16)
            except ValueError:
                raise ClusterError("the server sent a broken chunked answer; check for a proxy in between") from None
            self._state = "data" if self._left else "trailer"


class LineSplitter:
    """Splits a stream into lines; a line longer than `limit` bytes is an error, so that memory is bounded."""

    __slots__ = ("_limit", "_parts", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their newline and without empty ones."""
        lines = data.split(b"\n")
        tail = lines.pop()
        if lines and self._parts:
            self._parts.append(lines[0])
            lines[0] = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
        if tail:
            self._parts.append(tail)
            self._size += len(tail)
            if self._size > self._limit:
                raise ClusterError(f"a watch event is longer than {self._limit} bytes; the watch starts anew")
        return [line for line in lines if line]
