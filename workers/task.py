"""The base of the tasks: lock, lane, bounds, and errors that end in a condition, not in a dead worker."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from celery import Task
from celery.exceptions import Ignore, SoftTimeLimitExceeded

from gitops.errors import GitOpsError, LockLost
from gitops.observe import logs, metrics, probe, trace
from gitops.state.locks import Lock

if TYPE_CHECKING:
    from gitops.reconcile import Engine

logger = logging.getLogger("gitops.task")


def owner(hostname: str) -> str:
    """The name under which a worker's processes hold locks: the worker and the parent process's id."""
    return f"{hostname}:{os.getppid()}"


class EngineTask(Task):
    """A task that works on one application."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except MemoryError:
            # Celery would raise a MemoryError again in the worker's main process, which then ends.
            raise GitOpsError("the task needed more memory than a worker process may use") from None

    def step(self, task: str, lane: str, app_id: str, work: Callable[[Engine, Lock], None]) -> str:
        """Run `work` under the application's lock of this lane.

        Returns a word for the log: done, busy (somebody else holds the lock; the wish is noted), failed.
        """
        from workers.runtime import engine

        request, begun = self.request, time.monotonic()
        headers = request.headers or {}
        redelivered = bool((request.delivery_info or {}).get("redelivered"))
        metrics.task_started(task, headers.get("enqueued_at"), redelivered=redelivered, task=task)
        me, message_id = owner(request.hostname), str(request.id)
        eng = engine()
        state = eng.state
        outcome, reason = "succeeded", ""
        with logs.context(app=app_id, task_id=message_id), trace.span(task, headers, app=app_id):
            state.queue.begin(task, app_id, message_id)
            lock = state.locks.acquire(lane, app_id, worker=me, message_id=message_id, task=task)
            if lock is None:
                metrics.task_finished(task, "succeeded", "busy", time.monotonic() - begun)
                return "busy"
            state.workers.began(me, message_id, task, app_id)
            try:
                work(eng, lock)
            except LockLost as error:
                outcome, reason = "failed", "LockLost"
                metrics.lock_lost()
                logs.event(logger, str(error), logging.WARNING)
            except SoftTimeLimitExceeded:
                outcome, reason = "failed", "TimeLimit"
                eng.report(app_id, task, GitOpsError(f"{task} took longer than {self.soft_time_limit} seconds"))
            except Ignore:
                raise
            except GitOpsError as error:
                outcome, reason = "failed", type(error).__name__
                eng.report(app_id, task, error)
            except Exception as error:
                outcome, reason = "failed", "Internal"
                logger.exception("%s of %s failed", task, app_id)
                eng.report(app_id, task, GitOpsError(f"internal error in {task} ({type(error).__name__}); see the log"))
            finally:
                state.locks.release(lock)
                state.workers.ended(me, message_id)
                probe.mark(eng.settings.data_dir, "worker-task")
                metrics.task_finished(task, outcome, reason, time.monotonic() - begun)  # type: ignore[arg-type]
        return "done" if outcome == "succeeded" else "failed"
