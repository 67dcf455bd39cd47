"""From a look to the plan of an operation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitops.cluster import UnknownKind
from gitops.model.application import SyncOperation
from gitops.model.objects import ObjectKey
from gitops.reconcile.look import Item
from gitops.reconcile.permitted import why_not
from gitops.sync import Pair, Plan, plan
from gitops.sync.group import is_defined
from gitops.sync.plan import NamespaceStep
from gitops.sync.task import Task

if TYPE_CHECKING:
    from gitops.reconcile.compare import Comparison
    from gitops.reconcile.engine import Engine
    from gitops.reconcile.operate import Run


def make_plan(engine: Engine, run: Run, comparison: Comparison | None) -> bool:
    """Plan the operation from a comparison; False where there is none yet (the Artifact is being made again)."""
    if comparison is None or comparison.view is None:
        return False
    sync = run.record.operation.sync or SyncOperation()
    shared = [text for kind, text in comparison.view.conditions if kind == "SharedResourceWarning"]
    made = plan(
        [_pair(run, item) for item in comparison.view.items],
        run.app,
        sync,
        started_at=run.record.started,
        revision=run.record.revisions[0] if run.record.revisions else "",
        permits=lambda key, version: _denial(run, key, version),
        shared=shared,
    )
    namespace = made.namespace if not _stands(made.namespace, comparison) else None
    tasks = tuple(_known(run, task, made) for task in made.tasks)
    run.record.plan = replace(made, tasks=tasks, namespace=namespace)
    return True


def _stands(step: NamespaceStep | None, comparison: Comparison) -> bool:
    """Whether nothing is to be done for the namespace: it needs to be there alone, and holds an object of ours."""
    if step is None or step.metadata is not None:
        return False
    return any(key.namespace == step.name and version > 0 for key, version in comparison.snapshot.observed.items())


def _known(run: Run, task: Task, made: Plan) -> Task:
    """The task, refused where it is of a kind that neither the cluster knows nor the plan brings (specs section 5)."""
    if task.denied or task.prune or task.skip_missing_kind or is_defined(task, made):
        return task
    try:
        run.client.resource_for(task.key.group, task.key.kind, task.version)
    except UnknownKind as error:
        return replace(task, denied=str(error))
    return task


def _pair(run: Run, item: Item) -> Pair:
    live = item.live
    if item.manifest is None and live is None and item.exists:
        live = run.client.get(item.key, version=item.note.version if item.note else "")
    # A person who syncs wants all of it written.
    unchanged = item.unchanged and run.record.operation.initiated_by.automated
    return Pair(item.manifest, live, bool(item.result and item.result.status == "Synced"), unchanged)


def _denial(run: Run, key: ObjectKey, version: str) -> str:
    return why_not(run.project, run.app.spec.destination, run.server, run.client, key, version)
