"""The triggers and templates that are there without being configured, named as in Argo CD's catalog (specs section 9).

A `trigger.<name>` or `template.<name>` of argocd-notifications-cm wins over the one of the same name here.
"""

from __future__ import annotations

from typing import Any

_STATE = "app.status?.operationState?"
_REVISION = "app.status?.operationState?.syncResult?.revision"
_NAME = "{{.app.metadata.namespace}}/{{.app.metadata.name}}"


def _trigger(when: str, template: str, once_per: str = "") -> list[dict[str, Any]]:
    return [{"when": when, "send": [template], **({"oncePer": once_per} if once_per else {})}]


TRIGGERS: dict[str, list[dict[str, Any]]] = {
    "on-created": _trigger("true", "app-created", "app.metadata.name"),
    "on-deleted": _trigger("app.metadata.deletionTimestamp != nil", "app-deleted", "app.metadata.name"),
    "on-deployed": _trigger(
        f"{_STATE}.phase == 'Succeeded' and app.status.health.status == 'Healthy'", "app-deployed", _REVISION
    ),
    "on-health-degraded": _trigger("app.status?.health?.status == 'Degraded'", "app-health-degraded"),
    "on-sync-failed": _trigger(f"{_STATE}.phase in ['Error', 'Failed']", "app-sync-failed", _REVISION),
    "on-sync-running": _trigger(f"{_STATE}.phase == 'Running'", "app-sync-running", _REVISION),
    "on-sync-status-unknown": _trigger("app.status?.sync?.status == 'Unknown'", "app-sync-status-unknown"),
    "on-sync-succeeded": _trigger(f"{_STATE}.phase == 'Succeeded'", "app-sync-succeeded", _REVISION),
}


#: A line of its own where `context` names the address of a page.
_LINK = "{{with .context.argocdUrl}}\n{{.}}/applications/{{$.app.metadata.namespace}}/{{$.app.metadata.name}}{{end}}"


def _template(message: str, state: str = "", revision: str = "", *, details: str = "") -> dict[str, Any]:
    """`message` is one line, and an e-mail's subject; `details` follow it."""
    found: dict[str, Any] = {"message": message + details + _LINK, "email": {"subject": message}}
    if state:
        found["status"] = {"state": state, "label": "gitops/{{.app.metadata.name}}", "revisionPath": revision}
    return found


_SYNCED = "{{.app.status.operationState.syncResult.revision}}"

TEMPLATES: dict[str, dict[str, Any]] = {
    "app-created": _template(f"Application {_NAME} has been created."),
    "app-deleted": _template(f"Application {_NAME} is being deleted."),
    "app-deployed": _template(f"Application {_NAME} runs revision {_SYNCED} and is healthy.", "success", _SYNCED),
    "app-health-degraded": _template(f"Application {_NAME} is degraded.", "failure", "{{.app.status.sync.revision}}"),
    "app-sync-failed": _template(
        f"The sync of application {_NAME} has failed.",
        "failure",
        _SYNCED,
        details="\n{{.app.status.operationState.message}}",
    ),
    "app-sync-running": _template(f"The sync of application {_NAME} has started.", "pending", _SYNCED),
    "app-sync-status-unknown": _template(
        f"Application {_NAME} cannot be compared.",
        details="{{range $c := .app.status.conditions}}\n{{$c.type}}: {{$c.message}}{{end}}",
    ),
    "app-sync-succeeded": _template(f"Application {_NAME} has been synced to {_SYNCED}.", "success", _SYNCED),
}
