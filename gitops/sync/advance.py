"""One step of an operation. Nothing here sleeps: what has to wait is answered as Parked (specs section 5, one step)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from gitops.errors import GitOpsError, InvalidSpecError, LockLost, ProjectDenied, SyncError
from gitops.model.artifact import Artifact
from gitops.model.objects import Manifest, ObjectKey
from gitops.sync import group, messages, namespaces, running, trial
from gitops.sync.hooks import DeletePolicy, Phase
from gitops.sync.plan import NamespaceStep, Plan
from gitops.sync.ports import ERROR, FAILED, SUCCEEDED, TERMINATING, Again, Context, Done, Outcome, Parked
from gitops.sync.record import SYNC_FAILED, OperationRecord, TaskResult, format_time, parse_time
from gitops.sync.retry import next_retry
from gitops.sync.task import Task

#: Seconds after which a parked operation is looked at even where no watch event woke it.
BACKSTOP = 120.0
#: Seconds between two looks for a kind whose CRD was just applied (CRDs carry no label and are not watched by it), or
#: an object that was just deleted.
SOON = 0.25
#: Seconds between two looks for pruned objects that are still going: what another engine applied carries no label of
#: ours, so that no watch event tells of its end.
GOING = 2.0
#: Objects that one step tries or writes at the most: a wave of thousands takes many steps, so that others get their
#: turn and their share of the cluster's in-flight limit.
STEP_TASKS = 200

TASKS_FAILED = "one or more synchronization tasks completed unsuccessfully"
APPLY_FAILED = "one or more objects failed to apply"


def advance(record: OperationRecord, artifact: Artifact, context: Context) -> Outcome:
    """Move an operation on by at most one (phase, wave) and STEP_TASKS objects; what came of it goes on the record.

    Takes the record (planned: `record.plan`, see `OperationRecord.needs_plan`), the Artifact at `record.artifact`,
    and the surroundings. The caller keeps the record after each call, writes `record.to_status()` to the CR, and
    calls again: at once for Again; for Parked when something changes or at its time. It may be killed at any
    instruction: a step that is repeated from an older record finds its own work done and changes nothing.

    A plan with a single (phase, wave) and no hook is one server-side apply for each object and nothing else: no dry
    run, no GET, no discovery; the API server validates. All other plans are tried by dry run first, and nothing is
    applied if an object is invalid.

    Done is the end of the operation, with phase, message and time written on the record; a failed attempt of which
    another is to follow is Parked until then, and asks for a new plan when it begins.

    Raises LockLost where another worker holds the application, and ClusterError where the cluster cannot be read.
    """
    if record.finished:
        return Done(record.phase, record.message)
    outcome = _advance(record, group.manifests(artifact), context)
    if isinstance(outcome, Done):
        return _end(record, outcome, context)
    if isinstance(outcome, Parked):
        record.message = outcome.reason
    return outcome


def _advance(record: OperationRecord, desired: Mapping[ObjectKey, Manifest], context: Context) -> Outcome:
    if context.terminate or record.phase == TERMINATING:
        return _terminate(record, context)
    if record.retry_at is not None:
        if context.now() < record.retry_at:
            return Parked(record.message, until=record.retry_at)
        record.next_attempt()
        return Again()
    plan = record.plan
    if plan is None:
        raise SyncError("the operation has no plan yet; make one with gitops.sync.plan and set record.plan")
    if not record.validated and (outcome := _validate(record, plan, desired, context)) is not None:
        return outcome
    if context.now() < record.hold_until:
        return Parked(record.message, until=record.hold_until)
    return _next_group(record, plan, desired, context)


# --- before anything is applied ---


def _validate(  # noqa: PLR0911 - one outcome each
    record: OperationRecord, plan: Plan, desired: Mapping[ObjectKey, Manifest], context: Context
) -> Done | Again | None:
    if plan.refusal:
        return Done(FAILED, plan.refusal)
    denied = [task for task in plan.tasks if task.denied]
    for task in denied:
        record.results[task.id] = TaskResult.of(SYNC_FAILED, task.denied, version=task.version, hook=task.hook)
    if denied:
        return Done(FAILED, _not_valid([task.denied for task in denied]))
    if (
        plan.namespace is not None
        and not plan.dry_run
        and not record.tried
        and (refused := _make_namespace(record, plan.namespace, context))
    ):
        return refused
    if plan.needs_dry_run:
        if trial.try_next(record, plan, desired, context, STEP_TASKS):
            return Again()
        if record.unknown:
            return Done(FAILED, _not_valid(record.unknown))
        if any(result.failed for result in record.results.values()):
            return Done(FAILED, "one or more objects failed to apply (dry run)")
        if plan.dry_run:
            return Done(SUCCEEDED, "successfully synced (dry run)")
    record.validated = True
    if any(task.prune or (task.replace and task.force) for task in plan.tasks):
        # What is to be deleted is read from the cluster: a plan made again after a deletion would not know of it.
        context.save(record)
    return None


def _make_namespace(record: OperationRecord, step: NamespaceStep, context: Context) -> Done | None:
    task = namespaces.task_of(step)
    try:
        made = namespaces.ensure(step, context)
    except LockLost:
        raise
    except GitOpsError as error:
        record.results[task.id] = TaskResult.of(SYNC_FAILED, str(error), version="v1")
        if isinstance(error, ProjectDenied):
            return Done(FAILED, _not_valid([str(error)]))
        return Done(FAILED, messages.because("the namespace failed to apply", [str(error)]))
    if made is not None:
        record.results[task.id] = made
    return None


def _not_valid(reasons: Sequence[str]) -> str:
    return f"one or more synchronization tasks are not valid: {'; '.join(dict.fromkeys(reasons))}"


# --- the next (phase, wave) ---


def _next_group(
    record: OperationRecord, plan: Plan, desired: Mapping[ObjectKey, Manifest], context: Context
) -> Outcome:
    pending = [task for task in plan.main if record.result(task) is None]
    begun = bool(pending) and not record.failing and _begun(pending[0], record, plan)
    if not begun:
        if record.results and (waits := _wait(record, plan, context)) is not None:
            return waits
        if record.failing:
            return _fail(record, plan, desired, context)
        failed = [r for task in plan.main if (r := record.result(task)) is not None and r.failed]
        if failed:
            refused = [result.message for result in failed if result.code == SYNC_FAILED]
            record.failing = messages.because(TASKS_FAILED, refused)
            return _fail(record, plan, desired, context)
        if not pending:
            return _succeed(record, plan, context, "successfully synced (no more tasks)")
    return _run(pending, record, plan, desired, context)


def _begun(first: Task, record: OperationRecord, plan: Plan) -> bool:
    """Whether part of the task's group was run before: the rest of it comes first then."""
    return any(task.group == first.group and record.result(task) is not None for task in plan.main)


def _wait(record: OperationRecord, plan: Plan, context: Context) -> Outcome | None:
    """Look at what runs; an outcome where it has to be waited for, or has vanished."""
    missing = running.refresh(record, plan, context)
    if missing:
        return Done(ERROR, missing)
    waits = running.awaited(record, plan)
    what = ""
    if not waits:
        waits, what = running.going(record, plan, context), messages.DELETION
    if not waits:
        return None
    unwatched = any(task.key.kind == "CustomResourceDefinition" for task in waits)
    seconds = SOON if unwatched else GOING if what else BACKSTOP
    return Parked(messages.waiting(waits, what), _keys(waits), context.now() + seconds)


def _run(  # noqa: PLR0911 - one outcome each
    pending: list[Task],
    record: OperationRecord,
    plan: Plan,
    desired: Mapping[ObjectKey, Manifest],
    context: Context,
) -> Outcome:
    tasks = [task for task in pending if task.group == pending[0].group]
    unconfirmed = [t for t in tasks if t.prune and t.confirm and not t.skip_prune and not _approved(record, context)]
    if unconfirmed:
        return Parked(messages.waiting(unconfirmed, messages.CONFIRMATION), until=context.now() + BACKSTOP)
    ran = group.run(group.first(tasks, STEP_TASKS), record, plan, desired, context)
    if not ran.complete:
        return _held_up(ran, context)
    if len(tasks) > STEP_TASKS:
        return Again()
    members = [task for task in plan.main if task.group == tasks[0].group]
    refused = [r.message for task in members if (r := record.result(task)) is not None and r.code == SYNC_FAILED]
    if refused:
        record.failing = messages.because(APPLY_FAILED, refused)
        return _fail(record, plan, desired, context)
    later = pending[len(tasks) :]
    remaining = [task for task in members if task.hook] + later
    if not remaining:
        return _succeed(record, plan, context, "successfully synced (all tasks run)")
    if not later or not context.wave_delay:
        return Again()
    record.hold_until = context.now() + context.wave_delay
    return Parked(messages.waiting(running.awaited(record, plan) or later), until=record.hold_until)


def _held_up(ran: group.GroupOutcome, context: Context) -> Parked:
    if ran.deleting:
        return Parked(messages.waiting(ran.deleting, messages.DELETION), _keys(ran.deleting), context.now() + SOON)
    return Parked(f"waiting for the kind of {ran.kindless[0].label} to be served", (), context.now() + SOON)


def _approved(record: OperationRecord, context: Context) -> bool:
    """Whether the annotation `deletion-approved` is not older than the operation."""
    try:
        return parse_time(context.deletion_approved) >= record.started.replace(microsecond=0)
    except ValueError:
        return False


def _keys(tasks: list[Task]) -> tuple[ObjectKey, ...]:
    return tuple(task.key for task in tasks)


# --- how it ends ---


def _completed_hooks(record: OperationRecord, plan: Plan, policy: DeletePolicy) -> list[Task]:
    return [
        task
        for task in plan.tasks
        if task.hook and policy in task.delete_policies and (r := record.result(task)) is not None and not r.running
    ]


def _succeed(record: OperationRecord, plan: Plan, context: Context, message: str) -> Done:
    running.delete_hooks(_completed_hooks(record, plan, DeletePolicy.HOOK_SUCCEEDED), record, plan, context)
    return Done(SUCCEEDED, message)


def _fail(record: OperationRecord, plan: Plan, desired: Mapping[ObjectKey, Manifest], context: Context) -> Outcome:
    """Run the SyncFail hooks, wave by wave, then end."""
    hooks = [task for task in plan.tasks if task.phase == Phase.SYNC_FAIL]
    pending = [task for task in hooks if record.result(task) is None]
    if not pending or any(record.results[t.id].failed for t in hooks if t not in pending):
        running.delete_hooks(_completed_hooks(record, plan, DeletePolicy.HOOK_FAILED), record, plan, context)
        refused = [r.message for task in hooks if (r := record.result(task)) is not None and r.code == SYNC_FAILED]
        more = messages.because("one or more SyncFail hooks failed", refused)
        return Done(FAILED, f"{record.failing}\n{more}" if refused else record.failing)
    ran = group.run([t for t in pending if t.group == pending[0].group], record, plan, desired, context)
    return Again() if ran.complete else _held_up(ran, context)


def _terminate(record: OperationRecord, context: Context) -> Done:
    record.phase = TERMINATING
    plan = record.plan or Plan()
    hooks = [task for task in plan.tasks if task.hook and (r := record.result(task)) is not None and r.running]
    try:
        running.delete_hooks(hooks, record, plan, context)
    except LockLost:
        raise
    except GitOpsError as error:
        return Done(ERROR, f"Operation termination had errors: {error}")
    for task in hooks:
        result = record.results[task.id]
        result.hook_phase, result.message, result.lingers = FAILED, "Terminated", False
    return Done(FAILED, "Operation terminated")


def _end(record: OperationRecord, done: Done, context: Context) -> Outcome:
    """The end of an attempt: parked until the next one, or the end of the operation, written on the record."""
    message = done.message
    try:
        pending = next_retry(record, done, context.now())
    except InvalidSpecError as error:
        pending, message = None, f"{message}; it is not tried again: {error}"
    if pending is not None:
        return Parked(pending.message, until=pending.at)
    if record.retry_count and done.phase != SUCCEEDED and record.phase != TERMINATING:
        message = f"{message} (retried {record.retry_count} times)."
    record.phase, record.message = done.phase, message
    record.finished_at = format_time(datetime.fromtimestamp(int(context.now()), UTC))
    return Done(done.phase, message)
