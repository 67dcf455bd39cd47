"""The order of tasks: phase, wave, kind, name; dependencies bubble up; prune waves are mirrored (specs section 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitops.sync.hooks import Phase
from gitops.sync.task import Task

_KINDS = (
    "Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget ServiceAccount "
    "Secret SecretList ConfigMap StorageClass PersistentVolume PersistentVolumeClaim CustomResourceDefinition "
    "ClusterRole ClusterRoleList ClusterRoleBinding ClusterRoleBindingList Role RoleList RoleBinding "
    "RoleBindingList Service DaemonSet Pod ReplicationController ReplicaSet Deployment HorizontalPodAutoscaler "
    "StatefulSet Job CronJob IngressClass Ingress APIService "
)
KIND_ORDER = {kind: position for position, kind in enumerate(_KINDS.split())}


def kind_position(kind: str) -> int:
    """The place of a kind in the order; kinds that it does not name come after all that it names."""
    return KIND_ORDER.get(kind, len(KIND_ORDER))


def order(tasks: Sequence[Task], *, prune_last: Callable[[Task], bool]) -> list[Task]:
    """Tasks in the order in which they run. `prune_last` tells for which prune tasks the option PruneLast holds."""
    mirrored = _mirror_prune_waves(tasks)
    return sort(_put_last(mirrored, prune_last))


def sort(tasks: Sequence[Task]) -> list[Task]:
    """Tasks by phase, wave, kind order and name; a Namespace or CRD moves before the first that needs it."""
    ordered = sorted(
        tasks, key=lambda t: (*t.group, kind_position(t.key.kind), t.key.name, t.key.namespace, t.key.group)
    )
    ordered = _bubble(ordered, _namespace_it_makes, lambda task: task.key.namespace)
    return _bubble(ordered, lambda task: task.defines, lambda task: f"{task.key.group}|{task.key.kind}")


def _namespace_it_makes(task: Task) -> str:
    return task.key.name if task.key.kind == "Namespace" and not task.key.group else ""


def _bubble(tasks: list[Task], provides: Callable[[Task], str], needs: Callable[[Task], str]) -> list[Task]:
    """Move each task that provides something before the first that needs it, into that one's phase and wave.

    What was moved before (the CRD of a namespace's object) is not looked at again, as in Argo CD.
    """
    result: list[Task] = []
    first: dict[str, int] = {}
    for task in tasks:
        provided = "" if task.prune else provides(task)
        if provided and provided in first:
            at = first[provided]
            result.insert(at, task.at(result[at].phase, result[at].wave))
            first = {need: index + (index >= at) for need, index in first.items()}
            continue
        if not task.prune and not provided and (needed := needs(task)):
            first.setdefault(needed, len(result))
        result.append(task)
    return result


def _mirror_prune_waves(tasks: Sequence[Task]) -> list[Task]:
    """Swap the first prune wave with the last, the second with the second last: deletion is the reverse of creation."""
    waves = sorted({task.wave for task in tasks if task.prune})
    mirrored = dict(zip(waves, reversed(waves), strict=True))
    return [task.at(task.phase, mirrored[task.wave]) if task.prune else task for task in tasks]


def _put_last(tasks: Sequence[Task], prune_last: Callable[[Task], bool]) -> list[Task]:
    last = max([0, *(task.wave for task in tasks if task.phase == Phase.SYNC)]) + 1
    return [task.at(task.phase, last) if task.prune and prune_last(task) else task for task in tasks]
