"""The order in which rules are asked about one object."""

from __future__ import annotations

from gitops.health.builtin import BUILTIN, SCRIPTED
from gitops.health.generic import assess_generic
from gitops.health.lua import LuaChecks
from gitops.health.reading import metadata
from gitops.health.specific import assess_specific
from gitops.model import names
from gitops.model.health import PROGRESSING, UNKNOWN, Health
from gitops.model.objects import Object, split_api_version


def assess(
    obj: Object,
    *,
    overrides: LuaChecks | None = None,
    generic_only: bool = False,
    has_status: bool | None = None,
) -> Health | None:
    """The health of one live object; None where the kind has no health (a ConfigMap), which counts as healthy.

    `overrides` are the user's Lua checks. `generic_only` leaves out the specific rules, to see how far the generic rule
    alone carries. `has_status`: whether discovery lists `<plural>/status` for the kind, where the caller knows it; an
    object of an unknown kind without a status is taken to be new only if it can ever have one. Never raises, whatever
    the object holds (specs section 6).
    """
    try:
        return _assess(obj, overrides, generic_only, has_status)
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, OverflowError, RecursionError) as error:
        # The object is hostile input: a shape that no API server would let through must cost no more than this.
        return Health(
            UNKNOWN, f"The object's shape is not that of a Kubernetes object ({type(error).__name__})", "shape"
        )


def _assess(obj: Object, overrides: LuaChecks | None, generic_only: bool, has_status: bool | None) -> Health | None:
    meta = metadata(obj)
    if meta.get("deletionTimestamp") and names.HOOK_FINALIZER not in (meta.get("finalizers") or ()):
        return Health(PROGRESSING, "Pending deletion", "deletion")
    api_version = obj.get("apiVersion")
    kind = obj.get("kind")
    kind = kind if isinstance(kind, str) else ""
    group, _ = split_api_version(api_version if isinstance(api_version, str) else "")
    if overrides is not None and overrides.covers(group, kind):
        return overrides.check(obj)
    rule = BUILTIN.get((group, kind)) or (None if generic_only else SCRIPTED.get((group, kind)))
    if rule is not None:
        found = rule(obj)
        return Health(found.status, found.message, f"builtin/{kind}")
    if not generic_only:
        decided, health = assess_specific(obj, group, kind)
        if decided:
            return health
    if has_status is False and not obj.get("status"):
        return None
    return assess_generic(obj, group, kind)
