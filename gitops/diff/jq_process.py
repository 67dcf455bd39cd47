"""jq in a process of its own, since a program that never ends cannot be stopped inside ours.

Run as a program this file is that process: it has no environment, a bound on memory, and ends with its parent.
`JqProcess` is the hand on it: one a worker process, started with the first program and again after each overrun.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from typing import Any, BinaryIO

import orjson

MEMORY_LIMIT = 512 * 1024 * 1024
_START_SECONDS = 20.0


class JqTimeout(Exception):
    """The program did not end in time."""


class JqProcess:
    """Runs jq programs with a time limit. Safe across forks and threads."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def run(self, program: str, document: Any, seconds: float) -> tuple[str, Any]:
        """Run a program on one document.

        Returns ("ok", the list of results), ("compile", message) or ("run", message). Raises JqTimeout after `seconds`.
        """
        with self._lock:
            child, fresh = self._started()
            assert child.stdin is not None
            assert child.stdout is not None
            body = orjson.dumps([program, document])
            deadline = time.monotonic() + seconds + (_START_SECONDS if fresh else 0)
            try:
                if fresh and _read(child.stdout, 1, deadline) != b"+":
                    raise JqTimeout
                deadline = time.monotonic() + seconds
                child.stdin.write(len(body).to_bytes(8, "big") + body)
                child.stdin.flush()
                size = int.from_bytes(_read(child.stdout, 8, deadline), "big")
                kind, answer = orjson.loads(_read(child.stdout, size, deadline))
            except BaseException as error:
                # Whatever went wrong, an answer may still be on its way: that child cannot be used again.
                self._stop()
                if isinstance(error, (OSError, EOFError)):
                    return "run", "the program outgrew its memory"
                raise
            return str(kind), answer

    def _started(self) -> tuple[subprocess.Popen[bytes], bool]:
        if self._pid != os.getpid():
            self._child = None  # the parent's, after a fork
        if self._child is not None and self._child.poll() is None:
            return self._child, False
        self._pid = os.getpid()
        self._child = subprocess.Popen(
            # By file, so that it loads jq and nothing of the engine; -P keeps this folder off its path.
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
            close_fds=True,
        )
        return self._child, True

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def close(self) -> None:
        """End the process; the next run starts another."""
        with self._lock:
            if self._pid == os.getpid():
                self._stop()


def _read(stream: BinaryIO | Any, size: int, deadline: float) -> bytes:
    """Exactly `size` bytes. Raises JqTimeout after the deadline, EOFError where the child is gone."""
    found = bytearray()
    while len(found) < size:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            raise JqTimeout
        part = os.read(stream.fileno(), size - len(found))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def _serve() -> None:
    import resource

    import jq

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    programs: dict[str, Any] = {}
    sink.write(b"+")
    sink.flush()
    while head := source.read(8):
        program, document = orjson.loads(source.read(int.from_bytes(head, "big")))
        answer: tuple[str, Any]
        try:
            if program not in programs:
                if len(programs) >= 256:
                    programs.clear()
                programs[program] = jq.compile(program)
        except ValueError as error:
            answer = ("compile", str(error).splitlines()[0])
        else:
            try:
                answer = ("ok", programs[program].input_value(document).all())
            except ValueError as error:
                answer = ("run", str(error).splitlines()[0])
        body = orjson.dumps(answer)
        sink.write(len(body).to_bytes(8, "big") + body)
        sink.flush()


if __name__ == "__main__":
    _serve()
