"""A task as the worker's parent process sees it: what is killed cannot count itself."""

from __future__ import annotations

from typing import Any

from billiard.exceptions import WorkerLostError
from celery.worker.request import Request

from gitops.observe import metrics


class EngineRequest(Request):
    """Counts tasks whose process was killed, by the hard time limit or from outside."""

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """A time limit has passed; at the hard one the process is killed."""
        if not soft:
            metrics.task_killed(short(self.name), "TimeLimitExceeded")
        super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """The task ended in an exception, or its process is gone."""
        error = exc_info.exception
        # Celery wraps what came over the pipe from a process.
        if isinstance(getattr(error, "exc", error), WorkerLostError):
            metrics.task_killed(short(self.name), "WorkerLostError")
        return super().on_failure(exc_info, *args, **kwargs)


def short(name: str) -> str:
    """`gitops.fetch` -> `fetch`, as the other metrics call it."""
    return name.removeprefix("gitops.")
