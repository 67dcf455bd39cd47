"""Making one object in the cluster as its manifest says (specs section 5, apply mechanics).

Server-side apply with one field manager, always, but for Replace=true. An ordinary apply is one request: no GET, no
dry run, no discovery. What else there is comes only where the answer, or the live object of the plan, calls for it:
taking fields over from kubectl or Argo CD, an immutable roleRef, Force=true on an immutable field, Validate=false on
an unknown one. All of it can be repeated: an apply that changes nothing leaves the object as it was.
"""

from __future__ import annotations

from gitops.cluster import ApiError
from gitops.diff import as_applied
from gitops.errors import GitOpsError
from gitops.model.objects import Manifest, Object, canonical
from gitops.sync.adopt import adoption_patch, needs_adoption
from gitops.sync.plan import Plan
from gitops.sync.ports import Context, Validation
from gitops.sync.task import Task
from gitops.sync.unknown import unknown_fields, without

#: How often a write that lost against another writer is tried again.
CONFLICT_TRIES = 5
_ROLE_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})
#: Replaced by a plain update, never deleted: all that is of their kind, or in them, would go too.
_NEVER_DELETED = frozenset({"CustomResourceDefinition", "Namespace"})


class Recreating(Exception):
    """Not a failure: the object was deleted to be made again, and is not gone yet."""


def apply(task: Task, manifest: Manifest, plan: Plan, context: Context, *, whole: bool) -> Object:
    """Apply one manifest; gives the object as it is then (its metadata alone, unless `whole`).

    Raises Recreating where it has to wait for a deletion, LockLost, and ApiError or another ClusterError.
    """
    manifest = as_applied(manifest)
    if plan.respect_ignored and context.respect_ignored is not None:
        live = context.client.get(task.key, version=task.version)
        if live is not None:
            manifest = Manifest.of(context.respect_ignored(manifest.load(), live))
    made = _replace(task, manifest, context) if task.replace else _apply(task, manifest, plan, context, whole)
    meta = made.get("metadata") or {}
    context.note(task.key, str(meta.get("uid") or ""), str(meta.get("resourceVersion") or ""))
    return made


def dry_run(task: Task, manifest: Manifest, context: Context) -> Object:
    """What the API server would answer to the apply; raises as it would."""
    return context.client.apply(as_applied(manifest), dry_run=True, validate=_validation(task), metadata_only=True)


def _validation(task: Task) -> Validation:
    return "Strict" if task.validate else "Ignore"


def _apply(task: Task, manifest: Manifest, plan: Plan, context: Context, whole: bool) -> Object:
    if task.adopt:
        _adopt(task, manifest, plan, context)
    try:
        made = _send(task, manifest, context, whole)
    except ApiError as error:
        if not error.invalid and not error.conflict:
            raise
        # Fields of the earlier applier may stand in the way of the new ones (a port that was renamed).
        if not (plan.adopts and not task.adopt and _adopt(task, manifest, plan, context)):
            return _after_refusal(task, manifest, context, whole, error)
        made = _send(task, manifest, context, whole)
    if plan.adopts and needs_adoption(made, plan.adopt_from) and _adopt(task, manifest, plan, context):
        made = _send(task, manifest, context, whole)
    return made


def _send(task: Task, manifest: Manifest, context: Context, whole: bool) -> Object:
    context.check_lock()
    return context.client.apply(manifest, validate=_validation(task), metadata_only=not whole)


def _adopt(task: Task, manifest: Manifest, plan: Plan, context: Context) -> bool:
    """Move the ownership of fields to us. Returns whether there was anything to move."""
    for attempt in range(CONFLICT_TRIES):
        live = context.client.get(task.key, version=task.version)
        patch = adoption_patch(live, manifest.gvk.api_version, plan.adopt_from) if live else None
        if patch is None:
            return attempt > 0
        try:
            context.check_lock()
            context.client.json_patch(task.key, patch, version=task.version)
            return True
        except ApiError as error:
            if error.not_found:
                return False
            if not error.conflict:
                raise
    return True


def _after_refusal(task: Task, manifest: Manifest, context: Context, whole: bool, error: ApiError) -> Object:
    if not task.validate and unknown_fields(error.message):
        return _without_unknown_fields(task, manifest, context, whole, error)
    role_ref = task.key.kind in _ROLE_BINDINGS and any(cause.field == "roleRef" for cause in error.causes)
    # An object that is invalid besides would be deleted and could not be made again.
    immutable = error.immutable and all("immutable" in cause.message for cause in error.causes)
    if role_ref or (task.force and immutable and task.key.kind not in _NEVER_DELETED):
        _delete_for_good(task, context)
        return _send(task, manifest, context, whole)
    raise error


def _without_unknown_fields(task: Task, manifest: Manifest, context: Context, whole: bool, error: ApiError) -> Object:
    """Leave out what the server names as unknown, until it names nothing any more: it does not name all at once."""
    obj = manifest.load()
    while without(obj, unknown_fields(error.message)):
        try:
            return _send(task, Manifest(manifest.key, manifest.version, canonical(obj)), context, whole)
        except ApiError as further:
            if not further.invalid:
                raise
            error = further
    raise error


def _delete_for_good(task: Task, context: Context, *, only_uid: str = "") -> None:
    """Delete the live object and see that it is gone; raises Recreating while it is not."""
    live = context.client.get(task.key, version=task.version, metadata_only=True)
    if live is None:
        return
    uid = str(live["metadata"].get("uid") or "")
    if only_uid and uid != only_uid:
        return
    if not live["metadata"].get("deletionTimestamp"):
        context.check_lock()
        context.client.delete(task.key, version=task.version, uid=uid, propagation="Background")
    still = context.client.get(task.key, version=task.version, metadata_only=True)
    if still is not None and still["metadata"].get("uid") == uid:
        raise Recreating


def _replace(task: Task, manifest: Manifest, context: Context) -> Object:
    """Replace=true: `kubectl replace` where the object is there, `kubectl create` where it is not.

    With Force=true the object that was there when the plan was made is deleted first; the one that took its place
    since is our own work, and is not deleted again.
    """
    if task.force and task.uid and task.key.kind not in _NEVER_DELETED:
        _delete_for_good(task, context, only_uid=task.uid)
    failure: GitOpsError | None = None
    for _ in range(CONFLICT_TRIES):
        live = context.client.get(task.key, version=task.version, metadata_only=True)
        context.check_lock()
        try:
            if live is None:
                return context.client.create(manifest, validate=_validation(task))
            obj = manifest.load()
            obj.setdefault("metadata", {})["resourceVersion"] = live["metadata"]["resourceVersion"]
            return context.client.replace(Manifest.of(obj), validate=_validation(task))
        except ApiError as error:
            if not error.conflict:
                raise
            failure = error
    assert failure is not None
    raise failure
