"""Length-prefixed JSON frames over a stream socket, with a deadline and a bound on what is read."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

import orjson

_HEAD = struct.Struct(">I")


class ChannelClosed(Exception):
    """The other side is gone."""


class FrameTooLarge(Exception):
    """The other side announced a frame beyond the bound."""


class DeadlinePassed(Exception):
    """Nothing came in time."""


class Channel:
    """One side of a conversation. Not thread-safe: one conversation, one thread."""

    def __init__(self, sock: socket.socket, *, max_frame: int = 1 << 30) -> None:
        self.sock = sock
        self._max_frame = max_frame

    def send(self, message: Any) -> None:
        """Send one frame. Raises ChannelClosed, DeadlinePassed."""
        body = message if isinstance(message, bytes) else orjson.dumps(message)
        try:
            self.sock.sendall(_HEAD.pack(len(body)))
            self.sock.sendall(body)
        except TimeoutError:
            raise DeadlinePassed from None
        except OSError:
            raise ChannelClosed from None

    def receive(self, deadline: float | None = None) -> Any:
        """The next frame, parsed. `deadline` is in time.monotonic seconds.

        Raises ChannelClosed, DeadlinePassed, FrameTooLarge, or ValueError for a frame that is no JSON.
        """
        return orjson.loads(self.receive_bytes(deadline))

    def receive_bytes(self, deadline: float | None = None) -> bytes:
        """The next frame as it came."""
        (size,) = _HEAD.unpack(self._exactly(_HEAD.size, deadline))
        if size > self._max_frame:
            raise FrameTooLarge
        return bytes(self._exactly(size, deadline))

    def _exactly(self, size: int, deadline: float | None) -> bytearray:
        # Grown as data arrives: an announced size alone reserves no memory.
        data = bytearray()
        while len(data) < size:
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise DeadlinePassed
                self.sock.settimeout(left)
            try:
                part = self.sock.recv(min(size - len(data), 1 << 18))
            except TimeoutError:
                raise DeadlinePassed from None
            except OSError:
                raise ChannelClosed from None
            if not part:
                raise ChannelClosed
            data += part
        return data

    def close(self) -> None:
        self.sock.close()
