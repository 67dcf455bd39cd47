"""Looking again at what is under way: running hooks, objects that become healthy, pruned objects that are going."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from gitops.cluster import READERS, run_parallel
from gitops.model.health import DEGRADED, HEALTHY, UNKNOWN, Health
from gitops.model.objects import Object
from gitops.sync import hooked
from gitops.sync.plan import Plan
from gitops.sync.ports import ERROR, FAILED, RUNNING, SUCCEEDED, Context
from gitops.sync.prune import lingers
from gitops.sync.record import PRUNED, OperationRecord, TaskResult
from gitops.sync.task import Task

R = TypeVar("R")


def for_all(fn: Callable[[Task], R], tasks: Sequence[Task], context: Context, *, at_least: int = 1) -> list[R]:
    """`fn` of each task, in parallel, `at_least` so many; the first error is raised when all have ended."""
    outcomes = run_parallel(fn, tasks, max(context.parallel, at_least))
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return [outcome.value for outcome in outcomes]  # type: ignore[misc]


def awaited(record: OperationRecord, plan: Plan) -> list[Task]:
    """Tasks that run and are waited for: hooks always, resources if the plan has more than one step."""
    multi = plan.multi_step
    return [t for t in plan.tasks if (t.hook or multi) and (r := record.result(t)) is not None and r.running]


def refresh(record: OperationRecord, plan: Plan, context: Context) -> str:
    """Write on the record how running tasks are by now. Returns the sentence of a vanished object, else an empty
    one.
    """
    tasks = awaited(record, plan)
    missing = ""
    live = for_all(lambda task: context.client.get(task.key, version=task.version), tasks, context, at_least=READERS)
    for task, obj in zip(tasks, live, strict=True):
        result = record.results[task.id]
        if obj is None:
            sentence = f"Resource {task.label} is missing, it might have been deleted"
            result.hook_phase, result.message, result.lingers = ERROR, sentence, False
            missing = missing or sentence
        else:
            judge(task, result, obj, context)
    _release_completed(record, plan, context)
    return missing


def judge(task: Task, result: TaskResult, obj: Object, context: Context) -> None:
    """Write on the result how the object of a running task is (specs section 5, step 2)."""
    health = context.health(obj)
    result.hook_phase = _hook_phase(health) if task.hook else _resource_phase(health)
    if health is not None and health.message:
        result.message = health.message


def _hook_phase(health: Health | None) -> str:
    if health is None or health.status == HEALTHY:
        return SUCCEEDED
    return FAILED if health.status in (DEGRADED, UNKNOWN) else RUNNING


def _resource_phase(health: Health | None) -> str:
    if health is None or health.status == HEALTHY:
        return SUCCEEDED
    return FAILED if health.status == DEGRADED else RUNNING


def _release_completed(record: OperationRecord, plan: Plan, context: Context) -> None:
    """Take our finalizer off hooks that have completed, but not before their outcome is on record."""
    done = [t for t in plan.tasks if t.hook and (r := record.result(t)) is not None and not r.running and r.lingers]
    if not done:
        return
    context.save(record)
    for_all(lambda task: hooked.release(task, context), done, context)
    for task in done:
        record.results[task.id].lingers = False


def going(record: OperationRecord, plan: Plan, context: Context) -> list[Task]:
    """Pruned objects that are still there with a deletionTimestamp."""
    tasks = [
        t for t in plan.tasks if t.prune and (r := record.result(t)) is not None and r.code == PRUNED and r.lingers
    ]
    still = for_all(lambda task: lingers(task, record.results[task.id], context), tasks, context, at_least=READERS)
    for task, there in zip(tasks, still, strict=True):
        record.results[task.id].lingers = there
    return [task for task, there in zip(tasks, still, strict=True) if there]


def delete_hooks(tasks: Sequence[Task], record: OperationRecord, plan: Plan, context: Context) -> None:
    """Delete the objects of hooks that this attempt has made. An object that someone else made since stays."""

    def delete(task: Task) -> None:
        live = context.client.get(task.key, version=task.version, metadata_only=True)
        if live is None:
            return
        if (live["metadata"].get("annotations") or {}).get(hooked.MARK) == hooked.mark_of(task, record.attempt_id):
            hooked.remove(task, live, context, plan.propagation)

    for_all(delete, tasks, context)
