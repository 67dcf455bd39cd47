"""The workers' application with two tasks of a test's own: one that outgrows its memory, one that answers."""

from __future__ import annotations

import os

from workers import app
from workers.task import EngineTask

__all__ = ["app"]


@app.task(name="test.greedy", base=EngineTask, ignore_result=False)
def greedy() -> int:
    """Ask for more than the limit that the worker gave its process."""
    return len(bytearray(2 << 30))


@app.task(name="test.answer", base=EngineTask, ignore_result=False)
def answer() -> int:
    return os.getppid()


@app.task(name="test.large", base=EngineTask, ignore_result=False)
def large(mib: int) -> int:
    """Use memory within the limit, and tell by which process."""
    return len(bytearray(mib << 20)) and os.getpid()
