"""Trying a whole plan before anything is written (specs section 5, one step, 1b)."""

from __future__ import annotations

from collections.abc import Mapping

from gitops.cluster import ApiError, UnknownKind, run_parallel
from gitops.errors import GitOpsError
from gitops.model.objects import Manifest, Object, ObjectKey
from gitops.sync import messages
from gitops.sync.adopt import needs_adoption
from gitops.sync.apply import dry_run
from gitops.sync.group import is_defined, manifest_of, prune_all, refused
from gitops.sync.plan import Plan
from gitops.sync.ports import SUCCEEDED, Context
from gitops.sync.record import SYNCED, OperationRecord, TaskResult
from gitops.sync.task import Task


def try_next(
    record: OperationRecord, plan: Plan, desired: Mapping[ObjectKey, Manifest], context: Context, count: int
) -> bool:
    """Dry-run the next `count` tasks of the plan. Writes failures (in a dry-run operation: all results), and the
    messages of kinds that the cluster does not know, on the record. Returns whether there are more.

    Argo CD's trial is client-side and sees what a schema sees. Ours asks the server, so what depends on an earlier
    wave (a namespace, a service account, an immutable field of a hook that is deleted first) says nothing and is passed
    over: only an object that is invalid in itself, or a kind that nothing brings, stops the operation.
    """
    part = plan.tasks[record.tried : record.tried + count]
    tasks = [task for task in part if not task.prune and not task.unchanged]
    for ran in run_parallel(lambda task: _try(task, plan, desired, context), tasks, context.parallel):
        task, error = ran.item, ran.error
        if error is None or _is_passed_over(task, error, plan):
            if plan.dry_run:
                message = f"{messages.applied(task)} (dry run)"
                result = TaskResult(SYNCED, message, SUCCEEDED, version=task.version, hook=task.hook)
                record.results[task.id] = result
            continue
        if isinstance(error, UnknownKind):
            record.unknown += (str(error),)
        record.results[task.id] = refused(task, error)
    if plan.dry_run:
        prune_all([task for task in part if task.prune], record, plan, context)
    record.tried += len(part)
    return record.tried < len(plan.tasks)


def _try(task: Task, plan: Plan, desired: Mapping[ObjectKey, Manifest], context: Context) -> None:
    manifest = manifest_of(task, desired)
    if task.hook and task.key != task.target:
        obj: Object = manifest.load()
        obj["metadata"].pop("generateName", None)
        obj["metadata"]["name"] = task.key.name
        manifest = Manifest.of(obj)
    try:
        dry_run(task, manifest, context)
    except ApiError as error:
        # Fields of an earlier applier that are taken over first may be all that is wrong.
        live = context.client.get(task.key, version=task.version) if error.invalid and plan.adopts else None
        if live is None or not needs_adoption(live, plan.adopt_from):
            raise


def _is_passed_over(task: Task, error: GitOpsError, plan: Plan) -> bool:
    if isinstance(error, UnknownKind):
        return task.skip_missing_kind or is_defined(task, plan)
    if not isinstance(error, ApiError):
        return False
    if "field not declared in schema" in error.message:
        return not task.validate
    made_again = task.hook or task.force or task.replace or any(cause.field == "roleRef" for cause in error.causes)
    if error.immutable or any(cause.field == "roleRef" for cause in error.causes):
        return made_again or not plan.dry_run
    if error.not_found:
        return _namespace_is_made(task, plan) or not plan.dry_run
    return not plan.dry_run and not error.invalid


def _namespace_is_made(task: Task, plan: Plan) -> bool:
    if plan.namespace is not None and plan.namespace.name == task.key.namespace:
        return True
    return any(other.key == ("", "Namespace", "", task.key.namespace) for other in plan.tasks if not other.prune)
