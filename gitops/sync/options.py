"""Sync options: of the Application (`syncPolicy.syncOptions`) and of one object (annotation), specs section 5."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from gitops.errors import InvalidSpecError
from gitops.model.application import Application, SyncOperation
from gitops.model.names import SYNC_OPTIONS
from gitops.model.objects import Object, annotations_of
from gitops.sync.hooks import csv

Propagation = Literal["Foreground", "Background", "Orphan"]
_PROPAGATION: dict[str, Propagation] = {
    "foreground": "Foreground",
    "background": "Background",
    "orphan": "Orphan",
}


def _read(entries: Iterable[str]) -> dict[str, str]:
    """`Name=value` entries by name; the last one of a name counts. A bare name (`PruneLast`) means true."""
    found: dict[str, str] = {}
    for entry in entries:
        name, sign, value = entry.strip().partition("=")
        found[name.strip()] = value.strip() if sign else "true"
    return found


def object_options(obj: Object | None) -> dict[str, str]:
    """The options in an object's `sync-options` annotation, by name."""
    return _read(csv(annotations_of(obj).get(SYNC_OPTIONS))) if obj else {}


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The options of one operation: `SyncOptions.of` reads them, `value` and `on` answer for one object."""

    given: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, app: Application, sync: SyncOperation | None = None) -> SyncOptions:
        """The operation's own options where it names any, else those of the Application's sync policy."""
        named = sync.sync_options if sync else []
        return cls(_read(named or app.spec.sync_policy.sync_options))

    def value(self, name: str, *objects: Object | None) -> str:
        """The value of option `name`: the first object (target, then live) that names it, else the Application's,
        else "".
        """
        for obj in objects:
            options = object_options(obj)
            if name in options:
                return options[name]
        return self.given.get(name, "")

    def on(self, name: str, *objects: Object | None) -> bool:
        """Whether option `name` is `true`, by the same precedence."""
        return self.value(name, *objects).lower() == "true"

    @property
    def propagation(self) -> Propagation:
        """`PrunePropagationPolicy`; the default is foreground.

        Raises InvalidSpecError where the value is none of the three.
        """
        given = self.given.get("PrunePropagationPolicy", "foreground")
        try:
            return _PROPAGATION[given.lower()]
        except KeyError:
            raise InvalidSpecError(
                f"sync option PrunePropagationPolicy={given} is unknown; use foreground, background or orphan"
            ) from None
