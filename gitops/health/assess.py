"""The order in which rules are asked about one object."""

from __future__ import annotations

from gitops.health.lua import LuaChecks
from gitops.model.health import Health
from gitops.model.objects import Object


def assess(obj: Object, *, overrides: LuaChecks | None = None, generic_only: bool = False) -> Health | None:
    """The health of one live object; None where the kind has no health (a ConfigMap), which counts as healthy.

    `overrides` are the user's Lua checks. `generic_only` leaves out the specific rules of third-party kinds, to see how
    far the generic rule alone carries. Never raises, whatever the object holds (specs section 6).
    """
    raise NotImplementedError
