"""What tests of projects arrange, and what the audit log says of the engine's writes."""

from __future__ import annotations

from typing import Any

from appsets import project_of

from gitops.model.objects import Manifest, Object
from testbed.audit import AuditLog
from testbed.world import World, eventually

WRITES = {"create", "patch", "update", "delete", "deletecollection"}
EVERYTHING = [{"group": "*", "kind": "*"}]


def project(world: World, name: str, *, repositories: tuple[str, ...] = ("*",), **spec: Any) -> None:
    body = project_of(name, list(repositories))
    body["spec"] |= {"clusterResourceWhitelist": EVERYTHING, **spec}
    world.client.apply(Manifest.of(body))


def written(world: World, since: int, *namespaces: str) -> list[tuple[str, str, str]]:
    """(verb, resource, name) of what the engine wrote in these namespaces, or of the namespaces themselves."""
    found = []
    for event in AuditLog(world.cluster.audit_log).events(since):
        target = event.get("objectRef") or {}
        there = target.get("namespace") in namespaces or target.get("name") in namespaces
        ours = event["userAgent"].startswith("gitops") and target.get("resource") not in {"applications", "events"}
        if ours and there and event["verb"] in WRITES and "dryRun" not in event["requestURI"]:
            found.append((event["verb"], target["resource"], target.get("name", "")))
    return found


def mark(world: World) -> int:
    return AuditLog(world.cluster.audit_log).mark()


def ends(world: World, name: str) -> Object:
    """Wait for the end of the operation that was asked for; its state."""

    def ended() -> Object | None:
        app = world.app(name)
        state = (app.get("status") or {}).get("operationState") or {}
        return state if "operation" not in app and state.get("phase") in {"Succeeded", "Failed", "Error"} else None

    state: Object = eventually(ended, f"the operation of {name}", context=world.logs)
    return state
