"""The process that outlives its parent by a moment: ends the children and removes their directory.

Run as a script, `python -I -S warden.py DIRECTORY`; `testbed.processes.ProcessGroup` talks to it in JSON lines.

How everything ends when the parent is killed, even by SIGKILL:
- The warden reads commands from a pipe whose other end only the parent holds; its end is the parent's end. Because a
  forked child of the parent may hold a copy of that end, the warden also watches whether its parent's id has changed.
- Each child asks the kernel for SIGKILL at the warden's death (PR_SET_PDEATHSIG). The kernel ties that signal to the
  parent's *thread*; the warden has one thread only, so a test that starts a cluster from a worker thread is safe.

It uses the standard library alone, and no site directory, so that it starts within 20 ms.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PARENT_CHECK_SECONDS = 0.5
GRACE_SECONDS = 3.0
LOG_LIMIT_BYTES = 32 << 20

_libc = ctypes.CDLL(None, use_errno=True)


class Warden:
    """Starts, signals and stops children by name; one command at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, argv: list[str], env: dict[str, str], cwd: str | None) -> dict[str, object]:
        """Start `argv` with its output appended to logs/NAME.log."""
        warden = os.getpid()

        def die_with_warden() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != warden:  # it died between fork and prctl
                os._exit(1)

        with open(self.directory / "logs" / f"{name}.log", "ab") as log:
            self.children[name] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd or self.directory,
                start_new_session=True,
                preexec_fn=die_with_warden,  # noqa: PLW1509 - one thread, so nothing can hold a lock here
            )
        return {"pid": self.children[name].pid}

    def signal(self, name: str, number: int) -> dict[str, object]:
        """Send a signal to a child that still runs."""
        child = self.children[name]
        if child.poll() is None:
            child.send_signal(number)
        return {}

    def poll(self, name: str) -> dict[str, object]:
        """The child's exit code; null while it runs."""
        return {"code": self.children[name].poll()}

    def stop(self, name: str, grace: float) -> dict[str, object]:
        """Ask the child to end, and insist after `grace` seconds."""
        child = self.children[name]
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)
            child.terminate()
            try:
                child.wait(grace)
            except subprocess.TimeoutExpired:
                child.kill()
        return {"code": child.wait()}

    def bound_logs(self) -> None:
        """Empty a log that has outgrown its limit; its writer appends, so it goes on at the new end."""
        for name in self.children:
            log = self.directory / "logs" / f"{name}.log"
            if log.stat().st_size > LOG_LIMIT_BYTES:
                os.truncate(log, 0)

    def close(self) -> None:
        """End every child with everything in its session, and remove the directory."""
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        deadline = time.monotonic() + GRACE_SECONDS
        for child in self.children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
        shutil.rmtree(self.directory, ignore_errors=True)


def serve(warden: Warden) -> None:
    """Answer commands until the parent closes the pipe or is gone."""
    parent = os.getppid()
    buffered = b""
    while True:
        ready, _, _ = select.select([0], [], [], PARENT_CHECK_SECONDS)
        if os.getppid() != parent:
            return
        if not ready:
            warden.bound_logs()
            continue
        data = os.read(0, 1 << 16)
        if not data:
            return
        *lines, buffered = (buffered + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            try:
                answer = getattr(warden, command.pop("do"))(**command)
            except (OSError, KeyError, subprocess.SubprocessError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            os.write(1, json.dumps(answer).encode() + b"\n")


def main() -> None:
    """Serve the directory named on the command line."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    warden = Warden(Path(sys.argv[1]))
    with contextlib.suppress(BrokenPipeError):
        serve(warden)
    warden.close()


if __name__ == "__main__":
    main()
