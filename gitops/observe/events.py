"""Kubernetes Events on Applications: what `kubectl describe application` tells of it.

Reasons and messages are Argo CD's. Equal events are counted on one Event object, and one application cannot flood the
API server: both as client-go does it.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from gitops.model.application import Application
from gitops.model.names import API_VERSION
from gitops.model.objects import Object
from gitops.observe.scrub import scrub

EventType = Literal["Normal", "Warning"]
#: Creates or overwrites the Event object given (a server-side apply or a PUT); its errors are the caller's to log.
Writer = Callable[[Object], None]

COMPONENT = "gitops-engine"
#: An Event's message may not be longer, says the API.
_LONGEST = 1024
#: Equal events within this many seconds are one Event with a count.
_SAME_WINDOW = 600.0
#: An application may send this many at once, and one more each `_REFILL` seconds.
_BURST = 25
_REFILL = 300.0
_REMEMBERED = 4096


@dataclass(slots=True)
class _Seen:
    first: float
    count: int = 1


@dataclass(slots=True)
class _Allowance:
    tokens: float
    at: float


class EventRecorder:
    """Writes Events on Applications; keeps at most 4096 of its own memories."""

    def __init__(self, write: Writer, *, instance: str, clock: Callable[[], float] = time.time) -> None:
        """`instance` names this process (the pod's name)."""
        self._write = write
        self._instance = instance
        self._clock = clock
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._allowances: OrderedDict[str, _Allowance] = OrderedDict()

    def record(self, app: Application, kind: EventType, reason: str, message: str) -> bool:
        """Write one Event on `app`; False where it was held back by the limit."""
        now = self._clock()
        if not self._allowed(app.id, now):
            return False
        text = scrub(message)[:_LONGEST]
        key = hashlib.blake2b("\0".join((app.uid, kind, reason, text)).encode(), digest_size=8).hexdigest()
        seen = self._seen.get(key)
        if seen is None or now - seen.first > _SAME_WINDOW:
            seen = self._seen[key] = _Seen(now)
        else:
            seen.count += 1
        self._seen.move_to_end(key)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        self._write(
            _event_of(app, kind=kind, reason=reason, text=text, key=key, seen=seen, now=now, instance=self._instance)
        )
        return True

    def operation_started(self, app: Application, revision: str, by: str) -> bool:
        """`by` is a user's name, or empty for automated sync."""
        who = by or "automated sync policy"
        return self.record(app, "Normal", "OperationStarted", f"{who} initiated sync to {revision or 'unknown'}")

    def operation_completed(self, app: Application, phase: str, revision: str, message: str) -> bool:
        """`phase` is Succeeded, Failed or Error; `message` the operation's."""
        if phase == "Succeeded":
            return self.record(app, "Normal", "OperationCompleted", f"Sync operation to {revision} succeeded")
        return self.record(app, "Warning", "OperationCompleted", f"Sync operation to {revision} failed: {message}")

    def sync_status_changed(self, app: Application, before: str, after: str) -> bool:
        """Synced, OutOfSync or Unknown; nothing is written where nothing changed."""
        changed = before != after
        return changed and self.record(
            app, "Normal", "ResourceUpdated", f"Updated sync status: {before or 'Unknown'} -> {after}"
        )

    def health_changed(self, app: Application, before: str, after: str) -> bool:
        """A health status; nothing is written where nothing changed."""
        changed = before != after
        return changed and self.record(
            app, "Normal", "ResourceUpdated", f"Updated health status: {before or 'Unknown'} -> {after}"
        )

    def _allowed(self, app_id: str, now: float) -> bool:
        allowance = self._allowances.setdefault(app_id, _Allowance(_BURST, now))
        self._allowances.move_to_end(app_id)
        while len(self._allowances) > _REMEMBERED:
            self._allowances.popitem(last=False)
        allowance.tokens = min(_BURST, allowance.tokens + (now - allowance.at) / _REFILL)
        allowance.at = now
        if allowance.tokens < 1:
            return False
        allowance.tokens -= 1
        return True


def _event_of(
    app: Application, *, kind: EventType, reason: str, text: str, key: str, seen: _Seen, now: float, instance: str
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        # Kubernetes names Events `<object>.<hex>`; an object's name may be as long as an Event's.
        "metadata": {"name": f"{app.name[:220].rstrip('.-')}.{key}{int(seen.first):x}", "namespace": app.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": "Application",
            "namespace": app.namespace,
            "name": app.name,
            "uid": app.uid,
            "resourceVersion": str(app.metadata.get("resourceVersion") or ""),
        },
        "type": kind,
        "reason": reason,
        "message": text,
        "count": seen.count,
        "firstTimestamp": _stamp(seen.first),
        "lastTimestamp": _stamp(now),
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance,
    }


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
