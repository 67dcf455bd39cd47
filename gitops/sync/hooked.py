"""The objects of hooks in the cluster: made once for each attempt, kept until their outcome is on record, deleted.

A hook carries the mark of the attempt that made it. So a step that is repeated after a kill knows a hook that it has
already made, and neither makes it twice nor deletes it as an old one. The hook finalizer keeps the object until its
outcome is on record, even where a TTL or a person deletes it.
"""

from __future__ import annotations

from gitops.cluster import ApiError
from gitops.model.names import HOOK_FINALIZER
from gitops.model.objects import Manifest, Object, annotations_of
from gitops.sync.apply import CONFLICT_TRIES, apply
from gitops.sync.options import Propagation
from gitops.sync.plan import Plan
from gitops.sync.ports import Context
from gitops.sync.task import Task

#: The attempt of an operation that made a hook, and the phase.
MARK = "gitops.engine/operation"


class OldHookThere(Exception):
    """Not a failure: a hook of an earlier operation has to be gone first, and is being deleted."""


def mark_of(task: Task, attempt: str) -> str:
    """The mark that a hook carries: the attempt and the phase."""
    return f"{attempt}/{task.phase}"


def clear(task: Task, plan: Plan, context: Context, attempt: str) -> bool:
    """Delete the object that an earlier attempt left of a hook. Returns whether it is still there."""
    live = context.client.get(task.key, version=task.version, metadata_only=True)
    if live is None or annotations_of(live).get(MARK) == mark_of(task, attempt):
        return False
    return remove(task, live, context, plan.propagation)


def start(task: Task, manifest: Manifest, plan: Plan, context: Context, attempt: str) -> Object:
    """Make the hook's object, once for an attempt; gives it as it is then.

    Raises OldHookThere while the object of an earlier attempt is being deleted, and what `apply` raises.
    """
    live = context.client.get(task.key, version=task.version)
    mark = mark_of(task, attempt)
    if live is not None and annotations_of(live).get(MARK) == mark:
        return live
    if live is not None:
        if live["metadata"].get("deletionTimestamp"):
            if remove(task, live, context, plan.propagation):
                raise OldHookThere
        else:
            release(task, context, live)
    obj = manifest.load()
    meta = obj.setdefault("metadata", {})
    if not meta.get("name"):
        meta.pop("generateName", None)
    meta["name"] = task.key.name
    meta["annotations"] = {**(meta.get("annotations") or {}), MARK: mark}
    meta["finalizers"] = [*(meta.get("finalizers") or []), HOOK_FINALIZER]
    return apply(task, Manifest.of(obj), plan, context, whole=True)


def remove(task: Task, live: Object, context: Context, propagation: Propagation) -> bool:
    """Delete a hook's object, with our finalizer out of its way. Returns whether it is still there."""
    meta = live["metadata"]
    uid = str(meta.get("uid") or "")
    if not meta.get("deletionTimestamp"):
        context.check_lock()
        try:
            context.client.delete(task.key, version=task.version, uid=uid, propagation=propagation)
        except ApiError as error:
            if not error.conflict and not error.not_found:
                raise
    release(task, context)
    still = context.client.get(task.key, version=task.version, metadata_only=True)
    return still is not None and still["metadata"].get("uid") == uid


def release(task: Task, context: Context, live: Object | None = None) -> None:
    """Take our finalizer off a hook's object, so that it can go."""
    for attempt in range(CONFLICT_TRIES):
        if live is None or attempt:
            live = context.client.get(task.key, version=task.version, metadata_only=True)
        finalizers = (live or {}).get("metadata", {}).get("finalizers") or []
        if live is None or HOOK_FINALIZER not in finalizers:
            return
        path = f"/metadata/finalizers/{finalizers.index(HOOK_FINALIZER)}"
        context.check_lock()
        try:
            context.client.json_patch(
                task.key,
                [{"op": "test", "path": path, "value": HOOK_FINALIZER}, {"op": "remove", "path": path}],
                version=task.version,
            )
            return
        except ApiError as error:
            if error.not_found:
                return
            if not error.conflict and error.status != 422:
                raise
