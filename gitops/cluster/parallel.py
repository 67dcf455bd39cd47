"""The same call for many objects at once, answers in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

from gitops.errors import GitOpsError

T = TypeVar("T")
R = TypeVar("R")

#: Objects read at a time for one application; reads are cheap for the server, so they need no shared limit.
READERS = 6


@dataclass(slots=True)
class Outcome(Generic[T, R]):
    """What came of one item: a value, or an error."""

    item: T
    value: R | None = None
    error: GitOpsError | None = None


def run_parallel(fn: Callable[[T], R], items: Sequence[T], limit: int = 8) -> list[Outcome[T, R]]:
    """Call `fn` with each item on at most `limit` threads, the caller's own among them.

    Returns an Outcome for each item, in order. A GitOpsError is noted with its item and the others go on; any other
    exception is a defect: no further item is begun, and it is raised when the running ones have ended.
    """
    outcomes: list[Outcome[T, R]] = [Outcome(item) for item in items]
    todo = iter(outcomes)  # next() on a list's iterator is atomic
    defects: list[BaseException] = []

    def work() -> None:
        for outcome in todo:
            if defects:
                return
            try:
                outcome.value = fn(outcome.item)
            except GitOpsError as error:
                outcome.error = error
            except BaseException as defect:
                defects.append(defect)

    # Each helper logs and traces as its caller does.
    helpers = [
        threading.Thread(target=copy_context().run, args=(work,), daemon=True)
        for _ in range(min(limit, len(outcomes)) - 1)
    ]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    if defects:
        raise defects[0]
    return outcomes
