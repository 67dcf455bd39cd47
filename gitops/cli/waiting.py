"""Waiting for Applications, with a line whenever one changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from enum import Flag, auto

from gitops.cli.access import Applications
from gitops.errors import GitOpsError
from gitops.model.names import REFRESH
from gitops.model.objects import Object

#: Seconds between two looks; the API server answers one in a millisecond.
_PAUSE = 0.2
#: The entry of an operation's `info` by which it is known again.
REQUEST = "request"


class Goal(Flag):
    """What is waited for."""

    synced = auto()
    healthy = auto()
    idle = auto()
    operated = auto()
    refreshed = auto()
    deleted = auto()


def wait_for(
    applications: Applications, names: Sequence[str], goal: Goal, *, timeout: float, request: str = ""
) -> list[Object]:
    """Wait until each Application has reached the goal; returns them as they are then.

    `request` is the id in the `info` of the operation that is waited for; `timeout` in seconds, 0 without end.
    Raises GitOpsError saying what is missing when the time is over.
    """
    deadline = time.monotonic() + timeout if timeout else None
    found: dict[str, Object] = {}
    said: dict[str, str] = {}
    while True:
        for name in names:
            if name not in found:
                obj = _look(applications, name, goal)
                line = _line(obj)
                if said.get(name) != line and sys.stderr.isatty():
                    print(f"{time.strftime('%H:%M:%S')} {name} {line}", file=sys.stderr)
                said[name] = line
                if obj is not None and _reached(obj, goal, request):
                    found[name] = obj
        if len(found) == len(names):
            return [found[name] for name in names]
        if deadline and time.monotonic() > deadline:
            missing = ", ".join(f"{name} ({said[name]})" for name in names if name not in found)
            raise GitOpsError(f"timed out after {timeout:g} seconds: {missing}")
        time.sleep(_PAUSE)


def _asked(state: Object) -> str:
    info = (state.get("operation") or {}).get("info") or []
    return next((str(entry.get("value")) for entry in info if entry.get("name") == REQUEST), "")


def _look(applications: Applications, name: str, goal: Goal) -> Object | None:
    if Goal.deleted in goal:
        return applications.client.get(applications.key(name)) or {}
    return applications.get(name)


def _line(obj: Object | None) -> str:
    if not obj:
        return "gone"
    status = obj.get("status") or {}
    state = status.get("operationState") or {}
    parts = [(status.get("sync") or {}).get("status"), (status.get("health") or {}).get("status"), state.get("phase")]
    conditions = [c["message"] for c in status.get("conditions") or []]
    return " ".join(filter(None, parts)) + (f": {conditions[0]}" if conditions else f": {state.get('message', '')}")


def _reached(obj: Object, goal: Goal, request: str) -> bool:
    if Goal.deleted in goal:
        return not obj
    status = obj.get("status") or {}
    state = status.get("operationState") or {}
    ended = bool(state.get("finishedAt")) and state.get("phase") in {"Succeeded", "Failed", "Error"}
    checks = {
        Goal.synced: (status.get("sync") or {}).get("status") == "Synced",
        Goal.healthy: (status.get("health") or {}).get("status") == "Healthy",
        Goal.idle: not obj.get("operation") and state.get("phase") not in {"Running", "Terminating"},
        Goal.operated: not obj.get("operation") and ended and _asked(state) == request,
        Goal.refreshed: REFRESH not in (obj["metadata"].get("annotations") or {}),
    }
    return all(reached for wanted, reached in checks.items() if wanted in goal)
