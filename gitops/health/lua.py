"""Health checks that users wrote in Lua for Argo CD, run unchanged, with no I/O and within bounds (specs section 6)."""

from __future__ import annotations

from collections.abc import Mapping

from gitops.model.health import Health
from gitops.model.objects import Object


class LuaChecks:
    """The checks of one argocd-cm: `resource.customizations.health.<group_kind>` and the older one-blob form."""

    @classmethod
    def from_config(cls, data: Mapping[str, str]) -> LuaChecks:
        """The checks in argocd-cm's `data`. A malformed `resource.customizations` blob raises InvalidSpecError."""
        raise NotImplementedError

    def check(self, obj: Object) -> Health | None:
        """What the object's check says; None where no check is for this kind. Errors and overrun bounds give Unknown."""
        raise NotImplementedError

    def covers(self, group: str, kind: str) -> bool:
        """Whether a check is written for this kind."""
        raise NotImplementedError
