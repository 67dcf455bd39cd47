"""Running one (phase, wave): prune first, then what is applied, kind by kind in sequence, objects of a kind in
parallel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from gitops.cluster import UnknownKind, run_parallel
from gitops.errors import GitOpsError, LockLost
from gitops.model.artifact import Artifact
from gitops.model.objects import Manifest, Object, ObjectKey
from gitops.sync import hooked, messages
from gitops.sync.apply import Recreating, apply
from gitops.sync.hooks import DeletePolicy
from gitops.sync.plan import Plan
from gitops.sync.ports import SUCCEEDED, Context
from gitops.sync.prune import prune
from gitops.sync.record import SYNC_FAILED, SYNCED, OperationRecord, TaskResult
from gitops.sync.task import Task

#: Seconds that an applied CRD may take until its kind is served; then its objects are applied all the same, and fail.
KIND_PATIENCE = 20.0


@dataclass(slots=True)
class GroupOutcome:
    """What has to happen before the rest of the group can be run; empty lists: all of it was run."""

    #: Hooks of earlier operations, and objects to be made again, that are being deleted.
    deleting: list[Task] = field(default_factory=list)
    #: Tasks whose kind is not served yet though its CRD is applied.
    kindless: list[Task] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return not self.deleting and not self.kindless


def manifests(artifact: Artifact) -> dict[ObjectKey, Manifest]:
    """The Artifact's manifests by key."""
    return {manifest.key: manifest for manifest in artifact.objects}


def first(tasks: Sequence[Task], count: int) -> list[Task]:
    """The first `count` tasks of a group in the order in which `run` does them: what is pruned comes first."""
    return sorted(tasks, key=lambda task: not task.prune)[:count]


def run(
    tasks: Sequence[Task],
    record: OperationRecord,
    plan: Plan,
    desired: Mapping[ObjectKey, Manifest],
    context: Context,
) -> GroupOutcome:
    """Run tasks of one (phase, wave), in plan order, and write their results on the record.

    Raises LockLost; every other failure is the result of its object (specs section 5, step 6).
    """
    prune_all([task for task in tasks if task.prune], record, plan, context)
    outcome = GroupOutcome()
    if _clear_old_hooks([task for task in tasks if task.hook], record, plan, context, outcome):
        return outcome
    for _, members in groupby((task for task in tasks if not task.prune), key=lambda task: task.key.kind):
        _apply_kind(list(members), record, plan, desired, context, outcome)
        if outcome.kindless:
            break
    record.kinds_since = (record.kinds_since or context.now()) if outcome.kindless else None
    return outcome


def prune_all(tasks: list[Task], record: OperationRecord, plan: Plan, context: Context) -> None:
    """Prune tasks in parallel, and write their results on the record."""
    for ran in run_parallel(lambda task: prune(task, plan, context), tasks, context.parallel):
        if isinstance(ran.error, LockLost):
            raise ran.error
        result = ran.value or refused(ran.item, ran.error)
        result.lingers = result.lingers and plan.multi_step
        record.results[ran.item.id] = result


def _clear_old_hooks(
    tasks: list[Task], record: OperationRecord, plan: Plan, context: Context, outcome: GroupOutcome
) -> bool:
    """Delete what hooks of earlier operations left, before any hook of the group is made. Returns whether some are
    left.
    """
    policies = [task for task in tasks if DeletePolicy.BEFORE_HOOK_CREATION in task.delete_policies]

    def clear(task: Task) -> bool:
        return hooked.clear(task, plan, context, record.attempt_id)

    for ran in run_parallel(clear, policies, context.parallel):
        if isinstance(ran.error, LockLost):
            raise ran.error
        # Any other failure comes again, and is reported, when the hook is made.
        if ran.value:
            outcome.deleting.append(ran.item)
    return bool(outcome.deleting)


def _apply_kind(
    tasks: list[Task],
    record: OperationRecord,
    plan: Plan,
    desired: Mapping[ObjectKey, Manifest],
    context: Context,
    outcome: GroupOutcome,
) -> None:
    multi = plan.multi_step

    def one(task: Task) -> Object | Exception | None:
        if task.unchanged:
            return None
        manifest = manifest_of(task, desired)
        try:
            if task.hook:
                return hooked.start(task, manifest, plan, context, record.attempt_id)
            return apply(task, manifest, plan, context, whole=multi)
        except (Recreating, hooked.OldHookThere) as wait:
            return wait

    for ran in run_parallel(one, tasks, context.parallel):
        task = ran.item
        if isinstance(ran.error, LockLost):
            raise ran.error
        if ran.error is not None and _kind_may_come(task, ran.error, plan, record, context):
            outcome.kindless.append(task)
        elif ran.error is not None:
            record.results[task.id] = refused(task, ran.error)
        elif ran.value is None:
            record.results[task.id] = _unchanged(task, desired)
        elif isinstance(ran.value, dict):
            record.results[task.id] = _applied(task, ran.value, desired, context, multi)
        else:
            outcome.deleting.append(task)


def manifest_of(task: Task, desired: Mapping[ObjectKey, Manifest]) -> Manifest:
    """The manifest of a task that applies something."""
    assert task.target is not None
    return desired[task.target]


def refused(task: Task, error: GitOpsError | None) -> TaskResult:
    """The result of a task that was refused."""
    return TaskResult.of(SYNC_FAILED, str(error), version=task.version, hook=task.hook)


def _unchanged(task: Task, desired: Mapping[ObjectKey, Manifest]) -> TaskResult:
    return TaskResult.of(
        SYNCED, messages.applied(task), version=task.version, images=images(manifest_of(task, desired))
    )


def _applied(
    task: Task, made: Object, desired: Mapping[ObjectKey, Manifest], context: Context, multi: bool
) -> TaskResult:
    result = TaskResult.of(
        SYNCED,
        messages.applied(task),
        version=task.version,
        uid=str(made["metadata"].get("uid") or ""),
        hook=task.hook,
        lingers=task.hook,
        images=images(manifest_of(task, desired)),
    )
    # What has no health check will not have one after the wave's delay either.
    if multi and not task.hook and context.health(made) is None:
        result.hook_phase = SUCCEEDED
    return result


def _kind_may_come(task: Task, error: GitOpsError, plan: Plan, record: OperationRecord, context: Context) -> bool:
    """Whether the kind is not served yet, but a CRD that this plan applies brings it."""
    if not isinstance(error, UnknownKind) or not is_defined(task, plan):
        return False
    return record.kinds_since is None or context.now() - record.kinds_since < KIND_PATIENCE


def is_defined(task: Task, plan: Plan) -> bool:
    """Whether the plan itself brings the kind of a task's object."""
    return any(other.defines == f"{task.key.group}|{task.key.kind}" for other in plan.tasks if other.defines)


def images(manifest: Manifest) -> tuple[str, ...]:
    """The container images that a manifest names, each once."""
    if b'"image"' not in manifest.body:
        return ()
    found: dict[str, None] = {}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for field_name in ("containers", "initContainers"):
                for container in node.get(field_name) or [] if isinstance(node.get(field_name), list) else []:
                    if isinstance(container, dict) and isinstance(container.get("image"), str):
                        found[container["image"]] = None
            for value in node.values():
                walk(value)

    walk(manifest.load().get("spec"))
    return tuple(found)
