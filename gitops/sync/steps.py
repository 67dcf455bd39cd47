"""A plan in words, for people: `gitops plan`, and a dry run against what is live."""

from __future__ import annotations

from typing import Any

from gitops.health import assess
from gitops.model.artifact import Artifact
from gitops.sync.group import manifests
from gitops.sync.hooks import Phase
from gitops.sync.plan import Plan
from gitops.sync.task import Task


def describe(plan: Plan, artifact: Artifact) -> list[dict[str, Any]]:
    """The steps of a plan in order, one dict an object.

    Keys: step (from 1; objects of one step are one phase and wave), phase, wave, group, kind, namespace, name, action
    (apply, hook, prune or create) and waitsFor: what the next step waits for; empty where nothing is awaited.
    """
    desired = manifests(artifact)
    rows: list[dict[str, Any]] = []
    number = 0
    if plan.namespace is not None:
        number += 1
        name = plan.namespace.name
        rows.append(_row(number, Phase.PRE_SYNC, 0, ("", "Namespace", "", name), "create", "created"))
    groups = list(plan.groups())
    for index, (phase, wave, tasks) in enumerate(groups):
        number += 1
        is_last = index == len(groups) - 1 or groups[index + 1][0] == Phase.SYNC_FAIL
        for task in tasks:
            has_health = task.target is not None and assess(desired[task.target].load()) is not None
            waits = _waits_for(task, plan, is_last=is_last, has_health=has_health)
            rows.append(_row(number, phase, wave, task.key, _action(task), waits))
    return rows


def _action(task: Task) -> str:
    return "hook" if task.hook else "prune" if task.prune else "apply"


def _waits_for(task: Task, plan: Plan, *, is_last: bool, has_health: bool) -> str:
    if task.hook:
        return "completed"
    if task.defines and any(f"{t.key.group}|{t.key.kind}" == task.defines for t in plan.tasks):
        return "established"
    if is_last:
        return ""
    return "deleted" if task.prune else "healthy" if has_health else ""


def _row(step: int, phase: Phase, wave: int, key: tuple[str, str, str, str], action: str, waits: str) -> dict[str, Any]:
    group, kind, namespace, name = key
    return {
        "step": step,
        "phase": str(phase),
        "wave": wave,
        "group": group,
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "action": action,
        "waitsFor": waits,
    }
