"""How far a build is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

LOG_EVERY_SECONDS = 20.0


class BuildProgress:
    """Counts compiled packages of one `go build`. Packages that Go's own cache has are never reported by it."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._logged = self._began
        self._count = 0
        self._total = 0
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            from rich.console import Console

            self._bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))
            self._task = self._bar.add_task(f"building {what}: modules", total=None)

    @property
    def total(self) -> int:
        """How many packages the build is made of."""
        return self._total

    @total.setter
    def total(self, packages: int) -> None:
        self._total = packages
        if self._bar:
            self._bar.update(self._task, total=packages, description=f"building {self._what}")
        else:
            self._log(f"{packages} packages")

    def compiled(self, package: str) -> None:
        """Note one more package."""
        self._count += 1
        if self._bar:
            self._bar.update(self._task, completed=self._count)
        elif time.monotonic() - self._logged > LOG_EVERY_SECONDS:
            self._log(f"{self._count} of at most {self._total} packages, now {package}")

    def _log(self, text: str) -> None:
        self._logged = time.monotonic()
        print(f"testbed: building {self._what}: {text} ({self._seconds()})", file=sys.stderr, flush=True)

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began:.0f} s"

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        else:
            self._log("looking for modules")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.update(self._task, total=self._total, completed=self._total if error is None else self._count)
            self._bar.stop()
        print(f"testbed: {self._what} {'failed' if error else 'built'} after {self._seconds()}", file=sys.stderr)
