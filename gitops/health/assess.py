"""The order in which rules are asked about one object."""

from __future__ import annotations

from gitops.health.generic import assess_generic
from gitops.health.lua import LuaChecks
from gitops.model.health import PROGRESSING, Health
from gitops.model.objects import Object, split_api_version

def assess(obj: Object, *, overrides: LuaChecks | None = None, generic_only: bool = False) -> Health | None:
    """The health of one live object; None where the kind has no health (a ConfigMap), which counts as healthy.

    `overrides` are the user's Lua checks. `generic_only` leaves out the specific rules of third-party kinds, to see how
    far the generic rule alone carries. Never raises, whatever the object holds (specs section 6).
    """
    meta = obj.get("metadata") or {}
    if meta.get("deletionTimestamp"):
        return Health(PROGRESSING, "Pending deletion", "deletion")
    group, _ = split_api_version(obj.get("apiVersion") or "")
    return assess_generic(obj, group, obj.get("kind") or "")
