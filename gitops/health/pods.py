"""The health of a Pod, by specs section 6."""

from __future__ import annotations

from typing import Any

from gitops.health.reading import condition, metadata, section
from gitops.model import names
from gitops.model.health import DEGRADED, HEALTHY, PROGRESSING, UNKNOWN, Health
from gitops.model.objects import Object


def _statuses(obj: Object, field: str) -> list[dict[str, Any]]:
    items = section(obj, "status").get(field)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _is_hook(obj: Object) -> bool:
    annotations = section(metadata(obj), "annotations")
    return names.HOOK in annotations or names.HELM_HOOK in annotations


def pod(obj: Object) -> Health:
    """v1 Pod."""
    spec, status = section(obj, "spec"), section(obj, "status")
    policy = spec.get("restartPolicy")
    always = policy == "Always"
    annotations = section(metadata(obj), "annotations")
    if always or (annotations.get(names.IGNORE_RESTART_POLICY) == "true" and not _is_hook(obj)):
        troubles = [
            text for item in _statuses(obj, "containerStatuses") if (text := _waiting_trouble(item)) is not None
        ]
        if troubles:
            return Health(DEGRADED, ", ".join(text for text in troubles if text))
    message = str(status.get("message") or "")
    match status.get("phase"):
        case "Pending":
            return Health(PROGRESSING, message)
        case "Succeeded":
            return Health(HEALTHY, message)
        case "Failed":
            return Health(DEGRADED, message or _failure(obj))
        case "Running":
            return _running(obj, message, always)
        case other:
            return Health(UNKNOWN, message or f"phase is {other or 'not set'}")


def _running(obj: Object, message: str, always: bool) -> Health:
    if not always:
        return Health(PROGRESSING, message)
    ready = condition(obj, "Ready")
    if ready and ready.get("status") == "True":
        return Health(HEALTHY, message)
    if any(section(section(item, "lastState"), "terminated") for item in _statuses(obj, "containerStatuses")):
        return Health(DEGRADED, message)
    return Health(PROGRESSING, message)


def _waiting_trouble(item: dict[str, Any]) -> str | None:
    """The message of a container that waits because something is wrong; None if nothing is."""
    waiting = section(section(item, "state"), "waiting")
    reason = waiting.get("reason")
    if isinstance(reason, str) and (reason.startswith("Err") or reason.endswith(("Error", "BackOff"))):
        return str(waiting.get("message") or "")
    return None


def _failure(obj: Object) -> str:
    """Why the first failing container ended, init containers first."""
    for item in _statuses(obj, "initContainerStatuses") + _statuses(obj, "containerStatuses"):
        ended = section(section(item, "state"), "terminated")
        if ended.get("message"):
            return str(ended["message"])
        if ended.get("reason") == "OOMKilled":
            return "OOMKilled"
        if ended.get("exitCode"):
            return f'container "{item.get("name", "")}" failed with exit code {ended["exitCode"]}'
    return ""
