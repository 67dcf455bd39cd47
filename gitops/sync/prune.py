"""Deleting what is no longer in Git: only the very object that the plan saw, and only while it is still ours."""

from __future__ import annotations

from gitops.cluster import ApiError, UnknownKind
from gitops.sync.plan import Plan
from gitops.sync.ports import Context
from gitops.sync.record import PRUNE_SKIPPED, PRUNED, TaskResult
from gitops.sync.task import Task


def prune(task: Task, plan: Plan, context: Context) -> TaskResult:  # noqa: PLR0911 - one outcome each
    """Delete one object, or say why not (specs section 5).

    The UID is a precondition: an object that took its place is another one, and stays. Raises LockLost and
    ClusterError.
    """
    if task.skip_prune:
        return TaskResult.of(PRUNE_SKIPPED, task.skip_prune, version=task.version)
    if plan.dry_run:
        return TaskResult.of(PRUNED, "pruned (dry run)", version=task.version)
    try:
        if context.owns is not None:
            live = context.client.get(task.key, version=task.version)
            if live is None:
                return _pruned(task)
            if not context.owns(live):
                return TaskResult.of(
                    PRUNE_SKIPPED, "ignored (no longer tracked by this application)", version=task.version
                )
        context.check_lock()
        there = context.client.delete(
            task.key, version=task.version, uid=task.uid or None, propagation=plan.propagation
        )
    except UnknownKind:
        return _pruned(task)
    except ApiError as error:
        if error.conflict or error.not_found:
            return _pruned(task)
        raise
    return _pruned(task, lingers=there)


def _pruned(task: Task, *, lingers: bool = False) -> TaskResult:
    return TaskResult.of(PRUNED, "pruned", version=task.version, uid=task.uid, lingers=lingers)


def lingers(task: Task, result: TaskResult, context: Context) -> bool:
    """Whether the pruned object is still there, on its way out."""
    try:
        live = context.client.get(task.key, version=task.version, metadata_only=True)
    except UnknownKind:
        return False
    if live is None or (result.uid and live["metadata"].get("uid") != result.uid):
        return False
    return bool(live["metadata"].get("deletionTimestamp"))
