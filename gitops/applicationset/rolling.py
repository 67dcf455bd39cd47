"""RollingSync (progressive syncs): a set's Applications are synced step by step, each step healthy before the next.

Pure: from the ApplicationSet's `status.applicationStatus` and its Applications to what that status is now, and which
Applications are to be synced. An Application is Waiting, Pending (it is asked to sync), Progressing, then Healthy.
Where `deletionOrder` says so, Applications are deleted in the reverse order of the steps.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gitops.applicationset.selectors import matches
from gitops.errors import InvalidSpecError
from gitops.model.objects import Object, labels_of

WAITING, PENDING, PROGRESSING, HEALTHY = "Waiting", "Pending", "Progressing", "Healthy"
#: Who the operations of a rollout are by, as in Argo CD.
CONTROLLER = "applicationset-controller"
_REASON = "ApplicationSet RollingSync triggered a sync of this Application resource"
#: What is said of an Application that has come into a state, in Argo CD's words.
_FOUND = "No Application status found, defaulting status to Waiting."
_CHANGED = "Application has pending changes, setting status to Waiting."
_ASKED = "Application moved to Pending status, watching for the Application resource to start Progressing."
_STARTED = "Application resource became Progressing, updating status from Pending to Progressing."
_SYNCED = "Application resource completed a sync successfully, updating status from Pending to Progressing."
_FAILED = "Application resource has error and cannot sync, updating status to Progressing."
_PHASES = {"Succeeded": _SYNCED, "Failed": _FAILED, "Error": _FAILED}
_HEALTHY = {
    WAITING: "Application resource is already Healthy, updating status from Waiting to Healthy.",
    PROGRESSING: "Application resource became Healthy, updating status from Progressing to Healthy.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Some of the Applications, by their labels, and how many of them may be on their way at once (None: all)."""

    expressions: tuple[Mapping[str, Any], ...]
    most: int | str | None = None

    def has(self, app: Object) -> bool:
        return matches({"matchExpressions": self.expressions}, labels_of(app))

    def limit(self, count: int) -> int:
        """How many of `count` Applications may be on their way; a percentage is rounded down, but not to none."""
        if self.most is None:
            return count
        if isinstance(self.most, int):
            return self.most
        percent = int(self.most.removesuffix("%"))
        return max(1, count * percent // 100) if percent else 0


@dataclass(frozen=True, slots=True)
class Rollout:
    """`status.applicationStatus` as it is now, and the names of the Applications to sync."""

    statuses: tuple[dict[str, Any], ...]
    start: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return all(entry["status"] == HEALTHY for entry in self.statuses if entry["step"] != "-1")


def steps_of(appset: Object) -> tuple[Step, ...]:
    """The steps of a RollingSync; empty where the ApplicationSet has another strategy, or none.

    Raises InvalidSpecError for a strategy or step that cannot be read.
    """
    strategy = (appset.get("spec") or {}).get("strategy") or {}
    kind = strategy.get("type") or "AllAtOnce"
    if kind == "AllAtOnce":
        return ()
    if kind != "RollingSync":
        raise InvalidSpecError(f"strategy type {kind!r} is neither AllAtOnce nor RollingSync")
    steps = (strategy.get("rollingSync") or {}).get("steps") or []
    if not steps:
        raise InvalidSpecError("strategy RollingSync has no steps; add strategy.rollingSync.steps")
    return tuple(_step(number, step) for number, step in enumerate(steps, 1))


def _step(number: int, step: Mapping[str, Any]) -> Step:
    expressions = tuple(step.get("matchExpressions") or ())
    for operator in (expression.get("operator") for expression in expressions):
        if operator not in ("In", "NotIn"):
            raise InvalidSpecError(f"step {number} of RollingSync: operator {operator!r} is not In or NotIn")
    most = step.get("maxUpdate")
    if most is None:
        return Step(expressions)
    if not re.fullmatch(r"\d{1,6}%?", str(most)):
        raise InvalidSpecError(f"step {number} of RollingSync: maxUpdate {most!r} is neither a count nor a percentage")
    return Step(expressions, str(most) if str(most).endswith("%") else int(most))


def deletes_in_reverse(appset: Object) -> bool:
    """Whether `strategy.deletionOrder: Reverse` holds; as in Argo CD it has a meaning with RollingSync alone.

    Raises InvalidSpecError for another word, and as `steps_of` does.
    """
    order = ((appset.get("spec") or {}).get("strategy") or {}).get("deletionOrder") or "AllAtOnce"
    if order not in ("AllAtOnce", "Reverse"):
        raise InvalidSpecError(f"strategy.deletionOrder {order!r} is neither AllAtOnce nor Reverse")
    return bool(steps_of(appset)) and order == "Reverse"


def deleted_first(steps: Sequence[Step], apps: Sequence[Object]) -> tuple[Object, ...]:
    """Of the Applications that are to go, those of the last step that has any: the others wait until they are gone.

    What no step has goes last of all.
    """
    last = max((_place(steps, app) for app in apps), default=-1)
    return tuple(app for app in apps if _place(steps, app) == last)


def managed(app: Object) -> Object:
    """A generated Application whose own auto-sync is off, since the rollout decides when it syncs."""
    policy = app["spec"].get("syncPolicy") or {}
    if policy.get("automated") is None:
        return app
    automated = {**policy["automated"], "enabled": False}
    return {**app, "spec": {**app["spec"], "syncPolicy": {**policy, "automated": automated}}}


def operation(app: Object) -> Object:
    """The operation that syncs an Application as part of a rollout."""
    policy = app["spec"].get("syncPolicy") or {}
    sync: Object = {"prune": bool((policy.get("automated") or {}).get("prune"))}
    if policy.get("syncOptions"):
        sync["syncOptions"] = policy["syncOptions"]
    asked: Object = {
        "sync": sync,
        "initiatedBy": {"username": CONTROLLER, "automated": True},
        "info": [{"name": "Reason", "value": _REASON}],
    }
    return {**asked, "retry": policy["retry"]} if policy.get("retry") else asked


def roll(
    appset: Object, steps: Sequence[Step], apps: Sequence[Object], now: datetime, stale: Collection[str] = ()
) -> Rollout:
    """Go on with a rollout.

    Takes the ApplicationSet, its steps, its live Applications in the order in which they were generated, the time, and
    the names of those whose status does not speak of what is desired by now: they hold up the steps after theirs.
    """
    held = {entry.get("application"): entry for entry in (appset.get("status") or {}).get("applicationStatus") or ()}
    place = {_name(app): _place(steps, app) for app in apps}
    behind = {name for app in apps if (name := _name(app)) in stale or _outdated(app)}
    entries: dict[str, dict[str, Any]] = {}
    for app in apps:
        name = _name(app)
        entries[name] = _moved(held.get(name), app, place[name], now, behind=name in behind)
    start = [name for name, app in ((_name(a), a) for a in apps) if _was_not_started(entries[name], app)]
    for number, step in enumerate(steps):
        members = [app for app in apps if place[_name(app)] == number]
        counts = Counter(entries[_name(app)]["status"] for app in members)
        room = step.limit(len(members)) - counts[PENDING] - counts[PROGRESSING]
        for app in members:
            name = _name(app)
            if room > 0 and entries[name]["status"] == WAITING and name not in behind and _is_compared(app):
                entries[name] = _entry(entries[name], PENDING, _ASKED, now)
                start.append(name)
                room -= 1
        if any(entries[_name(app)]["status"] != HEALTHY for app in members):
            break
    return Rollout(tuple(entries.values()), tuple(dict.fromkeys(start)))


def _moved(before: dict[str, Any] | None, app: Object, place: int, now: datetime, *, behind: bool) -> dict[str, Any]:
    """An Application's entry after what its own status says."""
    status = app.get("status") or {}
    sync = status.get("sync") or {}
    revisions = list(sync.get("revisions") or ([sync["revision"]] if sync.get("revision") else []))
    base = {"application": _name(app), "step": str(place + 1 if place >= 0 else -1), "targetRevisions": revisions}
    if before is None:
        entry = {**base, **_said(WAITING, _FOUND, now)}
    else:
        entry = {**before, **base}
        changed = behind or revisions != (before.get("targetRevisions") or [])
        drifted = sync.get("status") == "OutOfSync" and entry["status"] == HEALTHY
        if entry["status"] != WAITING and (changed or drifted):
            entry = _entry(entry, WAITING, _CHANGED, now)
    if entry["status"] == PENDING and (phase := _phase_since(app, entry)):
        entry = _entry(entry, PROGRESSING, _PHASES.get(phase, _STARTED), now)
    health = (status.get("health") or {}).get("status")
    running = app.get("operation") or (status.get("operationState") or {}).get("phase") in {"Running", "Terminating"}
    settled = not behind and health == HEALTHY and sync.get("status") == "Synced" and not running
    if settled and entry["status"] in _HEALTHY:
        entry = _entry(entry, HEALTHY, _HEALTHY[entry["status"]], now)
    return entry


def _was_not_started(entry: dict[str, Any], app: Object) -> bool:
    """Whether an Application is Pending and nobody asked it to sync: we ended between the two writes."""
    return entry["status"] == PENDING and not app.get("operation") and not _phase_since(app, entry)


def _phase_since(app: Object, entry: Mapping[str, Any]) -> str:
    """The phase of the operation that began after the entry's last change; empty where none did."""
    state = (app.get("status") or {}).get("operationState") or {}
    try:
        began = _time(str(state["startedAt"])) >= _time(str(entry["lastTransitionTime"]))
    except (KeyError, ValueError):
        return ""
    return str(state.get("phase") or "") if began else ""


def _outdated(app: Object) -> bool:
    """Whether the status is of another spec than the present one, or of none."""
    spec, sync = app.get("spec") or {}, (app.get("status") or {}).get("sync") or {}
    compared = sync.get("comparedTo") or {}
    which = "sources" if spec.get("sources") else "source"
    return any(_bare(compared.get(field)) != _bare(spec.get(field)) for field in (which, "destination"))


def _is_compared(app: Object) -> bool:
    return ((app.get("status") or {}).get("sync") or {}).get("status") in ("Synced", "OutOfSync")


def _bare(value: Any) -> Any:
    """Without empty fields, which count as absent."""
    if isinstance(value, dict):
        inner = {key: _bare(entry) for key, entry in value.items()}
        return {key: entry for key, entry in inner.items() if entry not in (None, "", [], {}, False)}
    return [_bare(entry) for entry in value] if isinstance(value, list) else value


def _place(steps: Sequence[Step], app: Object) -> int:
    """The first step that has the Application; -1 for none: it is synced by hand alone."""
    return next((number for number, step in enumerate(steps) if step.has(app)), -1)


def _name(app: Object) -> str:
    return str(app["metadata"]["name"])


def _said(status: str, message: str, now: datetime) -> dict[str, Any]:
    # To the millisecond: an operation that began in the same second is told apart.
    stamp = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"status": status, "message": message, "lastTransitionTime": stamp}


def _entry(entry: dict[str, Any], status: str, message: str, now: datetime) -> dict[str, Any]:
    return {**entry, **_said(status, message, now)}


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
