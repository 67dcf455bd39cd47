"""An Application's `status`, as specs section 1 has it, and the patch that brings it about: one write per change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from gitops.diff import OUT_OF_SYNC, SYNCED, UNKNOWN
from gitops.model.application import Application
from gitops.model.artifact import Artifact
from gitops.model.health import HEALTHY, Health
from gitops.model.objects import Object, ObjectKey
from gitops.model.rows import LONGEST, RESOURCES_BYTES, fitting
from gitops.state.apps import DesiredState

#: Condition types that a comparison owns: those that it does not find again go.
COMPARISON_CONDITIONS = frozenset(
    {
        "InvalidSpecError",
        "ComparisonError",
        "UnknownError",
        "SharedResourceWarning",
        "RepeatedResourceWarning",
        "ExcludedResourceWarning",
        "OrphanedResourceWarning",
        "StatusTruncatedWarning",
    }
)
_IMAGE = re.compile(rb'"image":"([^"\\]{1,512})"')
_POD_KINDS = frozenset(
    {
        "Pod",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "Job",
        "CronJob",
        "ReplicationController",
        "Rollout",
    }
)
#: Conditions that are shown at the most.
_MOST = 100


def timestamp(seconds: float | None = None) -> str:
    """Unix seconds (now, if None) as Kubernetes writes times."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Resource:
    """One row of `status.resources`."""

    key: ObjectKey
    version: str
    synced: str
    health: Health | None = None
    hook: bool = False
    requires_pruning: bool = False
    wave: int = 0
    confirm_deletion: bool = False

    def to_status(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "group": self.key.group,
            "version": self.version,
            "kind": self.key.kind,
            "namespace": self.key.namespace,
            "name": self.key.name,
            "status": self.synced,
            "health": _health(self.health),
            "hook": self.hook or None,
            "requiresPruning": self.requires_pruning or None,
            "syncWave": self.wave or None,
            "requiresDeletionConfirmation": self.confirm_deletion or None,
        }
        return {name: value for name, value in row.items() if value not in (None, "")}


def _health(health: Health | None) -> dict[str, str] | None:
    if health is None:
        return None
    return {"status": health.status, **({"message": health.message} if health.message else {})}


@dataclass(frozen=True, slots=True)
class Findings:
    """What a comparison found, ready to be written."""

    sync: str
    health: str
    health_message: str = ""
    resources: Sequence[Resource] = ()
    #: (condition type, sentence).
    conditions: Sequence[tuple[str, str]] = ()
    desired: DesiredState | None = None
    images: Sequence[str] = ()
    app_of_apps: bool = False
    #: Condition types beyond a comparison's own that this run decides about.
    owned: frozenset[str] = field(default_factory=frozenset)


def rows(findings: Findings) -> list[dict[str, Any]]:
    """`status.resources`: of thousands as many as RESOURCES_BYTES hold, those that are not well before the others."""
    return fitting([resource.to_status() for resource in findings.resources], RESOURCES_BYTES, matters)


def matters(row: dict[str, Any]) -> bool:
    """Whether a row of `status.resources` tells of an object that is not Synced and Healthy."""
    health = (row.get("health") or {}).get("status", HEALTHY)
    return row.get("status") != SYNCED or health != HEALTHY or "requiresPruning" in row


def said(findings: Findings, shown: int) -> list[tuple[str, str]]:
    """The conditions (type, sentence) of these findings, of whose objects so many are shown in the status.

    Of more than a hundred, errors come before warnings.
    """
    found, left = list(findings.conditions), []
    if len(found) > _MOST:
        left.append(f"{len(found) - _MOST} more conditions are not shown")
        found = sorted(found, key=lambda condition: not condition[0].endswith("Error"))[:_MOST]
    if shown < len(findings.resources):
        left.append(
            f"status.resources shows {shown} of {len(findings.resources)} objects, those that are not Synced and "
            "Healthy first, for an Application may not grow beyond what etcd takes; split it to see all"
        )
    return found + [("StatusTruncatedWarning", "; ".join(left))] * bool(left)


def build(app: Application, findings: Findings) -> dict[str, Any]:
    """The parts of the status that a comparison decides."""
    desired = findings.desired
    resources = rows(findings)
    compared: dict[str, Any] = {"destination": app.spec.destination.to_api()}
    if app.is_multi_source:
        compared["sources"] = [s.to_api() for s in app.spec.sources]
    elif app.spec.source:
        compared["source"] = app.spec.source.to_api()
    if app.spec.ignore_differences:
        compared["ignoreDifferences"] = [i.to_api() for i in app.spec.ignore_differences]
    sync: dict[str, Any] = {"status": findings.sync, "comparedTo": compared}
    status: dict[str, Any] = {
        "sync": sync,
        "health": _moved(
            {"status": findings.health, **({"message": findings.health_message} if findings.health_message else {})},
            app.status.get("health"),
        ),
        "conditions": conditions(app.status.get("conditions") or [], said(findings, len(resources)), findings.owned),
    }
    if desired and desired.revisions:
        if app.is_multi_source:
            sync["revisions"] = list(desired.revisions)
            status["sourceTypes"] = list(desired.source_types)
        else:
            sync["revision"] = desired.revisions[0]
            status["sourceType"] = desired.source_types[0] if desired.source_types else ""
    if findings.sync != UNKNOWN or findings.resources:
        status["resources"] = resources
        summary: dict[str, Any] = {}
        if findings.images:
            summary["images"] = list(findings.images)
        if findings.app_of_apps:
            summary["isAppOfApps"] = True
        status["summary"] = summary
    return status


def conditions(
    present: Iterable[dict[str, Any]],
    found: Sequence[tuple[str, str]],
    owned: frozenset[str] = frozenset(),
    *,
    only: bool = False,
) -> list[dict[str, Any]]:
    """The conditions after this run: types that are not its own stay, a condition that says the same keeps its time.

    Its own are those of a comparison and `owned`; with `only`, `owned` alone.
    """
    present = list(present)
    mine = owned if only else COMPARISON_CONDITIONS | owned
    kept = [c for c in present if c.get("type") not in mine]
    known = {(c.get("type"), c.get("message")): c for c in present}
    fresh: dict[tuple[str, str], dict[str, Any]] = {}
    for kind, sentence in found:
        message = sentence[:LONGEST]
        former = known.get((kind, message))
        fresh[kind, message] = former or {"type": kind, "message": message, "lastTransitionTime": timestamp()}
    return kept + list(fresh.values())


def _moved(now: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Health with lastTransitionTime: of the last change of its word."""
    same = before and before.get("status") == now["status"] and before.get("lastTransitionTime")
    return {**now, "lastTransitionTime": before["lastTransitionTime"] if same and before else timestamp()}


def patch(app: Application, status: dict[str, Any]) -> Object | None:
    """The merge patch from the present status to this one; None where nothing changed.

    `reconciledAt` moves only with something else: a status that says the same is not written.
    """
    changed: dict[str, Any] = {}
    for name, value in status.items():
        before = app.status.get(name)
        if before != value:
            changed[name] = _merge(before, value)
    if not changed:
        return None
    return {"status": {**changed, "reconciledAt": timestamp()}}


def _merge(before: Any, after: Any) -> Any:
    """A merge patch value that makes `before` into `after`, removing keys that are no more."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    out: dict[str, Any] = {}
    for key, value in after.items():
        if before.get(key) != value:
            out[key] = _merge(before.get(key), value)
    for key in before.keys() - after.keys():
        out[key] = None
    return out


def images(artifact: Artifact) -> list[str]:
    """The container images that an Artifact names, sorted, at most 100."""
    found = {m.decode() for o in artifact.objects if o.key.kind in _POD_KINDS for m in _IMAGE.findall(o.body)}
    return sorted(found)[:100]


__all__ = [
    "OUT_OF_SYNC",
    "SYNCED",
    "UNKNOWN",
    "Findings",
    "Resource",
    "build",
    "conditions",
    "images",
    "matters",
    "patch",
    "replace",
    "rows",
    "said",
    "timestamp",
]
