"""Taking over objects that kubectl or Argo CD applied before, so that their fields are neither lost nor doubled.

An object that was applied client-side has its fields under that tool's name in `metadata.managedFields`. Applied
server-side by us, it would keep for ever what Git no longer names, since someone else still owns it. So the ownership
is moved to our field manager first, by a JSON patch of managedFields (as client-go's csaupgrade does); our next apply
then removes what is not in Git (specs section 5, client-side to server-side migration).
"""

from __future__ import annotations

from typing import Any

import orjson

from gitops.model.names import FIELD_MANAGER, LAST_APPLIED
from gitops.model.objects import Object, annotations_of

KUBECTL = "kubectl-client-side-apply"
ARGO_CD = "argocd-controller"
#: The API server's name for whoever wrote an object before its first server-side apply.
BEFORE_FIRST_APPLY = "before-first-apply"

Fields = dict[str, Any]


def needs_adoption(live: Object, further: tuple[str, ...] = ()) -> bool:
    """Whether a live object has fields that kubectl, Argo CD or one of `further` applied.

    False where `managedFields` was not read.
    """
    return any(_is_foreign(entry, further) for entry in _entries(live))


def adoption_patch(live: Object, api_version: str, further: tuple[str, ...] = ()) -> list[dict[str, Any]] | None:
    """The JSON patch that moves the fields of the earlier appliers to our field manager; None where there is nothing
    to do.

    Takes the live object with its managedFields, the apiVersion in which we apply it, and field managers to take over
    from besides the well-known ones. The patch is conditional on the resourceVersion: a 409 or 422 means read again.

    `before-first-apply` owns everything that was there, what controllers wrote among it; of that only becomes ours
    what the last-applied annotation says that a person applied.
    """
    entries = _entries(live)
    taken = [entry for entry in entries if _is_foreign(entry, further)]
    if not taken:
        return None
    ours = [entry for entry in entries if _is_ours(entry)]
    fields: Fields = {}
    for entry in [*ours, *taken]:
        own = entry.get("fieldsV1") or {}
        if entry.get("manager") == BEFORE_FIRST_APPLY:
            own = intersect(own, _applied_fields(live))
        fields = unite(fields, own)
    kept = [entry for entry in entries if entry not in taken and entry not in ours]
    if fields:
        kept.insert(
            0,
            {
                "manager": FIELD_MANAGER,
                "operation": "Apply",
                "apiVersion": api_version,
                "fieldsType": "FieldsV1",
                "fieldsV1": fields,
                "time": (ours or taken)[0].get("time"),
            },
        )
    version = live["metadata"]["resourceVersion"]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": kept or [{}]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]


def unite(a: Fields, b: Fields) -> Fields:
    """The union of two FieldsV1 sets."""
    result = dict(a)
    for name, inner in b.items():
        result[name] = unite(result[name], inner) if name in result else inner
    return result


def intersect(a: Fields, b: Fields) -> Fields:
    """The fields of `a` that `b` has too. Where `a` names list items by keys and `b` does not, the whole list is
    kept.
    """
    result: Fields = {}
    for name, inner in a.items():
        if name in b:
            below = intersect(inner, b[name]) if inner and b[name] else inner
            if below or not inner:
                result[name] = below
    return result


def _entries(live: Object) -> list[dict[str, Any]]:
    return (live.get("metadata") or {}).get("managedFields") or []


def _is_foreign(entry: dict[str, Any], further: tuple[str, ...]) -> bool:
    """Argo CD's entry counts by either operation, kubectl's and a named manager's only as Update (kubectl's `Apply`
    entry has another name)."""
    if entry.get("subresource"):
        return False
    manager, operation = entry.get("manager"), entry.get("operation")
    if manager == ARGO_CD:
        return True
    return operation == "Update" and (manager in (KUBECTL, BEFORE_FIRST_APPLY) or manager in further)


def _is_ours(entry: dict[str, Any]) -> bool:
    """Our own entries, of whatever apiVersion: two of them would keep each other's fields alive."""
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def _applied_fields(live: Object) -> Fields:
    """What the last-applied annotation names, as a FieldsV1 set; lists as a whole."""
    text = annotations_of(live).get(LAST_APPLIED)
    fields: Fields = {}
    if text:
        try:
            applied = orjson.loads(text)
        except orjson.JSONDecodeError:
            applied = {}
        fields = _as_fields(applied) if isinstance(applied, dict) else {}
        fields = unite(fields, {"f:metadata": {"f:annotations": {f"f:{LAST_APPLIED}": {}}}})
    return fields


def _as_fields(value: Any) -> Fields:
    return {f"f:{name}": _as_fields(inner) for name, inner in value.items()} if isinstance(value, dict) else {}
