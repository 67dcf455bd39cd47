"""CPU seconds and memory of processes and all that they started, read from /proc."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024.0


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on (the second may hold spaces)."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def pids() -> list[int]:
    """Every process that can be seen."""
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def with_environment(text: bytes) -> set[int]:
    """Processes whose environment at their start held `text`."""
    found = set()
    for pid in pids():
        with contextlib.suppress(OSError):
            if text in (PROC / str(pid) / "environ").read_bytes():
                found.add(pid)
    return found


def with_descendants(roots: Iterable[int]) -> set[int]:
    """The processes, and all below them that live."""
    children: dict[int, list[int]] = {}
    for pid in pids():
        with contextlib.suppress(OSError):
            children.setdefault(int(_stat(pid)[1]), []).append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def command(pid: int) -> str:
    """A process's command line; empty for one that ended."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def cpu_seconds(processes: Iterable[int]) -> float:
    """User and system seconds so far, with those of children that ended and were waited for."""
    total = 0
    for pid in processes:
        with contextlib.suppress(OSError, IndexError):
            total += sum(int(field) for field in _stat(pid)[11:15])
    return total / TICKS


def pss_mib(processes: Iterable[int]) -> float:
    """Proportional set sizes, in MiB: what is shared between processes counts once in their sum."""
    total = 0
    for pid in processes:
        with contextlib.suppress(OSError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
                    break
    return total / MIB


class PeakMemory:
    """Samples the PSS of processes from a thread until `stop`; `peak` is the largest sum, in MiB."""

    def __init__(self, processes: Callable[[], Iterable[int]], interval: float = 1.0) -> None:
        self._processes, self._interval = processes, interval
        self._stopped = threading.Event()
        self.peak = 0.0
        #: (process count, PSS of the largest process) at the peak.
        self.shape: tuple[int, float] = (0, 0.0)
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while True:
            each = [pss_mib([pid]) for pid in self._processes()]
            if sum(each) > self.peak:
                self.peak, self.shape = sum(each), (len(each), max(each))
            if self._stopped.wait(self._interval):
                return

    def stop(self) -> float:
        """End sampling; returns the peak."""
        self._stopped.set()
        self._thread.join()
        return self.peak

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
