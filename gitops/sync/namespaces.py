"""CreateNamespace=true: the destination namespace before everything else (specs section 5, sync options)."""

from __future__ import annotations

from gitops.cluster import ApiError
from gitops.errors import ProjectDenied
from gitops.model.objects import Manifest, Object, ObjectKey
from gitops.sync.hooks import Phase
from gitops.sync.plan import NamespaceStep
from gitops.sync.ports import SUCCEEDED, Context
from gitops.sync.record import SYNCED, TaskResult
from gitops.sync.task import Task


def task_of(step: NamespaceStep) -> Task:
    """The task that stands for it among the results."""
    key = ObjectKey("", "Namespace", "", step.name)
    return Task(key, "v1", Phase.PRE_SYNC, target=key)


def ensure(step: NamespaceStep, context: Context) -> TaskResult | None:
    """Make the namespace if it is missing, and apply the managed metadata; None where nothing had to be done.

    It gets no tracking marks: it is never pruned. Raises ProjectDenied, ClusterError and LockLost.
    """
    key = task_of(step).key
    there = context.client.get(key, version="v1", metadata_only=True)
    if there is not None and step.metadata is None:
        return None
    if step.denied:
        raise ProjectDenied(step.denied)
    obj: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": step.name, **(step.metadata or {})}}
    context.check_lock()
    try:
        if step.metadata is None:
            made = context.client.create(Manifest.of(obj))
        else:
            made = context.client.apply(Manifest.of(obj), metadata_only=True)
    except ApiError as error:
        if error.exists:
            return None
        raise
    context.note(key, str(made["metadata"].get("uid") or ""), str(made["metadata"].get("resourceVersion") or ""))
    done = "serverside-applied" if step.metadata is not None else "created"
    return TaskResult(SYNCED, f"namespace/{step.name} {done}", SUCCEEDED, version="v1")
