"""Both sides in the form in which they are comparable (specs section 4, steps 2 and 3).

Nothing here changes its arguments: what has to be different is copied along its path, the rest is shared.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from gitops.diff.types import Type, builtin
from gitops.model.names import LAST_APPLIED
from gitops.model.objects import Manifest, Object, canonical, gvk_of

#: Written by the server alone; a manifest that carries them (an export) does not mean them.
_SERVER_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_RBAC_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """`resource.compareoptions` of argocd-cm."""

    #: all, crd, none or off: for which kinds `status` is no part of the comparison.
    ignore_resource_status: str = "all"
    ignore_aggregated_roles: bool = False


DEFAULT_SETTINGS = CompareSettings()


def normalise(obj: Object, compare: CompareSettings = DEFAULT_SETTINGS) -> Object:
    """The comparable form of one side: without what only the server writes, with values in the server's spelling."""
    group, _, kind = gvk_of(obj)
    made = dict(obj)
    if compare.ignore_resource_status == "all" or (
        compare.ignore_resource_status == "crd" and kind == "CustomResourceDefinition"
    ):
        made.pop("status", None)
    made["metadata"] = _metadata(made.get("metadata") or {})
    if group == "" and kind == "Secret":
        _secret(made)
    elif group == "" and kind == "Endpoints":
        _endpoints(made)
    elif group == _RBAC_GROUP and kind in ("Role", "ClusterRole"):
        aggregated = compare.ignore_aggregated_roles and isinstance(made.get("aggregationRule"), dict)
        if aggregated or not made.get("rules"):
            made["rules"] = None
    return made


def _metadata(meta: dict[str, Any]) -> dict[str, Any]:
    made = {name: value for name, value in meta.items() if name not in _SERVER_METADATA}
    annotations = made.get("annotations")
    if isinstance(annotations, dict) and LAST_APPLIED in annotations:
        made["annotations"] = {name: value for name, value in annotations.items() if name != LAST_APPLIED}
    return made


#: What as_applied looks for in the bytes, so that only objects that hold it are parsed.
_UNSENT = tuple(f'"{name}":'.encode() for name in ("stringData", *_SERVER_METADATA))


def as_applied(manifest: Manifest) -> Manifest:
    """The manifest as it is to be sent; itself where nothing has to be different.

    A Secret's stringData is sent as data: a key that leaves stringData later would stay in the object, since the server
    keeps what it became. What only the server writes (an export carries it) is left out: an old resourceVersion or uid
    would be refused for ever, and the comparison takes no notice of it.
    """
    if not any(name in manifest.body for name in _UNSENT):
        return manifest
    made = manifest.load()
    changed = False
    meta = made.get("metadata") or {}
    for name in _SERVER_METADATA:
        changed |= meta.pop(name, None) is not None
    if manifest.key.kind == "Secret" and not manifest.key.group and "stringData" in made:
        _secret(made)
        changed = True
    return Manifest(manifest.key, manifest.version, canonical(made)) if changed else manifest


def _secret(obj: dict[str, Any]) -> None:
    """`stringData` becomes part of `data`; null values become empty; base64 is without line breaks."""
    data: dict[str, Any] = {}
    for name, value in (obj.get("data") or {}).items():
        data[name] = "" if value is None else re.sub(r"[\r\n]", "", value) if isinstance(value, str) else value
    given = obj.pop("stringData", None)
    for name, value in (given or {}).items():
        data[name] = base64.b64encode(("" if value is None else str(value)).encode()).decode()
    if data or "data" in obj:
        obj["data"] = data


def _endpoints(obj: dict[str, Any]) -> None:
    """Ports have a protocol, and the order of subsets, addresses and ports says nothing."""
    subsets = obj.get("subsets")
    if not isinstance(subsets, list):
        return
    made = []
    for subset in subsets:
        if not isinstance(subset, dict):
            return
        entry = dict(subset)
        ports = [{"protocol": "TCP", **port} for port in subset.get("ports") or () if isinstance(port, dict)]
        if ports:
            entry["ports"] = sorted(ports, key=lambda port: (str(port.get("name")), str(port.get("port"))))
        for part in ("addresses", "notReadyAddresses"):
            if subset.get(part):
                entry[part] = sorted(subset[part], key=lambda address: str(address.get("ip")))
        made.append(entry)
    obj["subsets"] = sorted(made, key=str)


def type_of(obj: Object, overlay: Type | None = None) -> tuple[Type | None, bool]:
    """(type, whether it is a kind that the server decodes into types of its own).

    `overlay` is what `knownTypeFields` says of a custom resource.
    """
    found = builtin().of(gvk_of(obj))
    return (found, True) if found is not None else (overlay, False)


def reduce_claim_templates(target: Object, live: Object) -> Object:
    """A StatefulSet's live claim templates without what the target's do not name: nobody can change them later."""
    if gvk_of(live).kind != "StatefulSet" or gvk_of(live).group != "apps":
        return live
    wanted = (target.get("spec") or {}).get("volumeClaimTemplates")
    held = (live.get("spec") or {}).get("volumeClaimTemplates")
    if not isinstance(wanted, list) or not isinstance(held, list) or len(wanted) != len(held):
        return live
    reduced = [_keep(value, like) for value, like in zip(held, wanted, strict=True)]
    return {**live, "spec": {**live["spec"], "volumeClaimTemplates": reduced}}


def _keep(value: Any, like: Any) -> Any:
    if isinstance(value, dict) and isinstance(like, dict):
        return {name: _keep(inner, like[name]) for name, inner in value.items() if name in like}
    return value
