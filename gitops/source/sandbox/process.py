"""The worker's handle of the render process: start it, hand it conversations, replace it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

_BOOT = (
    "import json, sys; sys.path[:0] = json.loads(sys.argv.pop(1)); "  # the worker's own import path
    "from gitops.source.sandbox.zygote import main; main()"
)


class RenderProcess:
    """One zygote. Processes forked from the one that started it share it: each message is one datagram of its own."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        paths = [path or os.getcwd() for path in sys.path]
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT, json.dumps([*_own_path(), *paths]), json.dumps(config)],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
            cwd="/",
            start_new_session=True,
        )
        theirs.close()

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def open_render(self, header: dict[str, Any]) -> tuple[socket.socket, socket.socket]:
        """Start a render; answers its conversation and the socket on which its end is told. Raises OSError."""
        channel, channel_theirs = socket.socketpair()
        status, status_theirs = socket.socketpair()
        with channel_theirs, status_theirs:
            self._send({"op": "render", **header}, channel_theirs, status_theirs)
        return channel, status

    def open_service(self, name: str) -> socket.socket:
        """Start a conversation with a service. Raises OSError."""
        channel, theirs = socket.socketpair()
        with theirs:
            self._send({"op": "service", "name": name}, theirs)
        return channel

    def kill_service(self, name: str, pid: int) -> None:
        """Kill a service that does not answer, unless it was replaced already."""
        with contextlib.suppress(OSError):
            self._send({"op": "kill", "name": name, "pid": pid})

    def _send(self, message: dict[str, Any], *sockets: socket.socket) -> None:
        socket.send_fds(self._control, [json.dumps(message).encode()], [s.fileno() for s in sockets])

    def close(self) -> None:
        """End it, with all that it started, where this process is the one that started it; else only let go of it."""
        self._control.close()
        if self._owner != os.getpid():
            return
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, where this process started it; its children die with it."""
        self._control.close()
        if self._owner != os.getpid():
            return
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(5)


def _own_path() -> list[str]:
    return [str(Path(__file__).resolve().parents[3])]
