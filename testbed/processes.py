"""Child processes that end with their parent, however it ends, and leave no data behind.

    with ProcessGroup("redis") as group:
        group.start("valkey", ["valkey-server", "--port", "7000"])

The work is done by a small process of its own, see `testbed.warden` for how it holds that promise.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed import warden
from testbed.closing import Closing

LOG_TAIL_LINES = 25
# Below Linux's ephemeral range, so that no outgoing connection takes the port while its server restarts.
PORTS = range(10240, 32000)


class TestbedError(Exception):
    """A part of the testbed did not start or ended; the message says which, and what it last logged."""

    __test__ = False  # not a test class, whatever its name begins with


def free_port() -> int:
    """A loopback TCP port that nobody listens on now; a start can still lose a race for it, so try again then."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition: Callable[[], Any], timeout: float, what: str, interval: float = 0.05) -> Any:
    """Call `condition` until its answer is true and return it; TestbedError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TestbedError(f"{what} did not happen within {timeout:g} s")
        time.sleep(interval)


class ProcessGroup(Closing):
    """Named child processes over one temporary directory, `directory`; logs are in `directory`/logs."""

    def __init__(self, name: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"gitops-{name}-"))
        (self.directory / "logs").mkdir()
        self._lock = threading.Lock()
        self._warden = subprocess.Popen(
            [sys.executable, "-I", "-S", warden.__file__, str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the parent alone: it closes the group in its own order
        )

    def start(
        self, name: str, argv: Sequence[str | Path], env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> int:
        """Start a child and return its process id. Of this process's environment it sees only PATH, and `env`."""
        whole = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.directory), **(env or {})}
        argv = [str(arg) for arg in argv]
        return int(self._ask(do="start", name=name, argv=argv, env=whole, cwd=str(cwd) if cwd else None)["pid"])

    def signal(self, name: str, number: int) -> None:
        """Send a signal to the child."""
        self._ask(do="signal", name=name, number=int(number))

    def exit_code(self, name: str) -> int | None:
        """The child's exit code, None while it runs."""
        code: int | None = self._ask(do="poll", name=name)["code"]
        return code

    def stop(self, name: str, grace: float = 5.0) -> None:
        """End the child: SIGTERM, then SIGKILL after `grace` seconds (0: at once). Returns when it is gone."""
        self._ask(do="stop", name=name, grace=grace)

    def wait_ready(self, name: str, condition: Callable[[], Any], timeout: float) -> None:
        """Wait until `condition` is true; TestbedError with the log's tail if the child ends or time is up."""
        deadline = time.monotonic() + timeout
        while not condition():
            if (code := self.exit_code(name)) is not None:
                raise TestbedError(f"{name} ended with code {code}; it last said:\n{self.log_tail(name)}")
            if time.monotonic() > deadline:
                raise TestbedError(f"{name} was not ready within {timeout:g} s; it last said:\n{self.log_tail(name)}")
            time.sleep(0.03)

    def log(self, name: str) -> Path:
        """The file that holds the child's output."""
        return self.directory / "logs" / f"{name}.log"

    def log_tail(self, name: str, lines: int = LOG_TAIL_LINES) -> str:
        """The last lines of the child's output."""
        path = self.log(name)
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 300 * lines))
            text = file.read().decode(errors="replace")
        return "\n".join(line[:400] for line in text.splitlines()[-lines:])

    def close(self) -> None:
        """End every child and remove the directory. Safe to call twice."""
        with self._lock:
            if self._warden.stdin and not self._warden.stdin.closed:
                with contextlib.suppress(BrokenPipeError):  # it was killed
                    self._warden.stdin.close()
            self._warden.wait()
            if self._warden.stdout:
                self._warden.stdout.close()
        # The warden did this, unless it was killed itself.
        shutil.rmtree(self.directory, ignore_errors=True)

    def _ask(self, **command: Any) -> dict[str, Any]:
        with self._lock:
            assert self._warden.stdin is not None
            assert self._warden.stdout is not None
            try:
                self._warden.stdin.write(json.dumps(command).encode() + b"\n")
                self._warden.stdin.flush()
                answer = self._warden.stdout.readline()
            except (OSError, ValueError) as error:
                raise TestbedError(f"the process group of {self.directory} is closed") from error
        if not answer:
            raise TestbedError(f"the process group of {self.directory} is closed")
        said: dict[str, Any] = json.loads(answer)
        if "error" in said:
            raise TestbedError(f"{command['name']}: {said['error']}")
        return said
