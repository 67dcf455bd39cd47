"""The base of the tasks: lock, lane, bounds, and errors that end in a condition, not in a dead worker."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from celery import Task
from celery.exceptions import Ignore, SoftTimeLimitExceeded

from gitops.errors import GitOpsError, LockLost
from gitops.observe import logs, metrics, probe, scrub, trace
from gitops.state.queue import Rank

if TYPE_CHECKING:
    from gitops.reconcile import Engine
    from gitops.state import Entry

logger = logging.getLogger("gitops.task")

#: Characters of a reason in a task's result; Celery cuts what it shows at 1024.
LONGEST_REASON = 400


def owner(hostname: str) -> str:
    """The name under which a worker's processes hold locks: the worker and the parent process's id."""
    return f"{hostname}:{os.getppid()}"


def told(word: str, why: str) -> str:
    """What a task answers: a word, and why in one line of bounded length that shows no credential."""
    line = " ".join(scrub(why).split())
    if not line:
        return word
    return f"{word}: {line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + '…'}"


class Ended(NamedTuple):
    """How a step ended: the outcome, a failure's class for metrics, and why in a sentence."""

    outcome: metrics.Outcome = "succeeded"
    reason: str = ""
    why: str = ""


class EngineTask(Task):
    """A task that works on one application."""

    abstract = True
    Request = "workers.request:EngineRequest"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except MemoryError:
            # Celery would raise a MemoryError again in the worker's main process, which then ends.
            raise GitOpsError("the task needed more memory than a worker process may use") from None

    def step(
        self, task: str, lane: str, app_id: str, work: Callable[[Engine, Entry], None], *, queued: bool = True
    ) -> str:
        """Run `work` under the application's lock of this lane. `queued`: by a message of its own, not after a step.

        Returns a line for the log and for Flower: `done`, `done: <how the operation ended, or what it waits for>`,
        `busy` (somebody else holds the lock; the wish is noted), or `failed: <why>`.
        """
        from workers.runtime import engine

        request, begun = self.request, time.monotonic()
        headers = request.headers or {}
        if queued:
            redelivered = bool((request.delivery_info or {}).get("redelivered"))
            metrics.task_started(task, headers.get("enqueued_at"), redelivered=redelivered, task=task)
        me, message_id = owner(request.hostname), str(request.id)
        eng = engine()
        cause = headers if queued else eng.cause
        state = eng.state
        eng.outcome, eng.follow = "", False
        with logs.context(app=app_id, task_id=message_id), trace.span(task, cause, app=app_id, task_id=message_id):
            entry = state.enter(lane, app_id, worker=me, message_id=message_id, task=task, queued=queued)
            if entry is None:
                metrics.task_finished(task, "busy", "", time.monotonic() - begun)
                return "busy"
            if queued:
                eng.refs.rank = entry.rank or Rank.POLL
            ended = Ended()
            try:
                ended = self._run(eng, task, entry, work)
            finally:
                # What follows is begun under the same id: so a worker that dies in between leaves a trace of it.
                state.leave(entry.lock, worker=me, message_id=message_id, done=not eng.follow)
                eng.cause = trace.inject()
                probe.mark(eng.settings.data_dir, "worker-task")
                seconds = time.monotonic() - begun
                metrics.task_finished(task, ended.outcome, ended.reason, seconds)
                logs.event(
                    logger, task, outcome=ended.outcome, reason=ended.reason, duration_ms=round(seconds * 1000, 1)
                )
        return told("done", eng.outcome) if ended.outcome == "succeeded" else told("failed", ended.why)

    def _run(self, eng: Engine, task: str, entry: Entry, work: Callable[[Engine, Entry], None]) -> Ended:
        """Run `work`; every error but Celery's own is reported to the application and becomes the outcome."""
        app_id = entry.app
        try:
            work(eng, entry)
        except LockLost as error:
            metrics.lock_lost()
            logs.event(logger, str(error), logging.WARNING)
            return Ended("failed", "LockLost", str(error))
        except SoftTimeLimitExceeded:
            why = f"{task} took longer than {self.soft_time_limit} seconds"
            eng.report(app_id, task, GitOpsError(why))
            return Ended("failed", "TimeLimit", why)
        except Ignore:
            raise
        except GitOpsError as error:
            eng.report(app_id, task, error)
            return Ended("failed", type(error).__name__, str(error))
        except MemoryError:
            return Ended("failed", "Memory", _outgrown(eng, task, app_id))
        except Exception as error:
            why = f"internal error in {task} ({type(error).__name__}); see the log"
            logger.exception("%s of %s failed", task, app_id)
            eng.report(app_id, task, GitOpsError(why))
            return Ended("failed", "Internal", why)
        return Ended()

    def leave(self, task: str, app_id: str) -> None:
        """What follows this step becomes a message of its own."""
        from workers.runtime import engine

        engine().state.queue.want(task, app_id, Rank.DRIFT)
        engine().state.workers.ended(owner(self.request.hostname), str(self.request.id))


def _outgrown(engine: Engine, task: str, app_id: str) -> str:
    """Report that a task asked for more than its process may use; the sentence."""
    why = f"{task} needed more memory than the {engine.settings.child_hard_limit_mib} MiB of a worker process"
    engine.report(app_id, task, GitOpsError(why))
    return why
