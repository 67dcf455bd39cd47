"""The health of an Application out of the health of its objects (specs section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gitops.model.health import Health
from gitops.model.objects import Object, ObjectKey


@dataclass(frozen=True, slots=True)
class LiveResource:
    """One resource that the Application manages directly.

    `live` is None where the object is missing from the cluster; `health` is what `assess` gave (None: no check).
    `hook` also covers objects with the hook `Skip`. `desired`: it is in the target state (False: to be pruned).
    """

    key: ObjectKey
    live: Object | None
    health: Health | None
    hook: bool = False
    desired: bool = True


@dataclass(frozen=True, slots=True)
class ApplicationHealth:
    """The Application's word, the message `Caused by …`, and the objects that have this word."""

    status: str
    message: str = ""
    causes: tuple[ObjectKey, ...] = ()


def application_health(resources: Iterable[LiveResource], *, itself: ObjectKey | None = None) -> ApplicationHealth:
    """The worst health of the Application's own, live, non-hook objects; `itself` is the Application's own key."""
    raise NotImplementedError
