"""The health of an Application out of the health of its objects (specs section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gitops.model import names
from gitops.model.health import HEALTHY, MISSING, UNKNOWN, Health, worse
from gitops.model.objects import Object, ObjectKey, annotations_of

_SHOWN = 3


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
    """The Application's word, the message `Caused by …`, and the objects that have this word (none when Healthy)."""

    status: str
    message: str = ""
    causes: tuple[ObjectKey, ...] = ()


def application_health(resources: Iterable[LiveResource], *, itself: ObjectKey | None = None) -> ApplicationHealth:
    """The worst health of the Application's own, live, non-hook objects; `itself` is the Application's own key.

    A missing object never lowers it, but where something is desired and nothing is live, the word is Missing.
    """
    status = HEALTHY
    causes: list[ObjectKey] = []
    desired = live = 0
    for resource in resources:
        if resource.hook:
            continue
        desired += resource.desired
        if resource.live is None:
            continue
        live += 1
        if resource.health is None or _is_ignored(resource, resource.live, itself):
            continue
        word = resource.health.status
        if word != status and worse(word, status) == word:
            status, causes = word, []
        if word == status and status != HEALTHY:
            causes.append(resource.key)
    if desired and not live:
        return ApplicationHealth(MISSING, "None of the Application's resources exists in the cluster")
    return ApplicationHealth(status, _caused_by(causes), tuple(causes))


def _is_ignored(resource: LiveResource, live: Object, itself: ObjectKey | None) -> bool:
    if annotations_of(live).get(names.IGNORE_HEALTHCHECK) == "true" or resource.key == itself:
        return True
    is_child = resource.key.group == names.GROUP and resource.key.kind == "Application"
    return is_child and resource.health is not None and resource.health.status in (MISSING, UNKNOWN)


def _caused_by(causes: list[ObjectKey]) -> str:
    if not causes:
        return ""
    shown = ", ".join(_name(key) for key in causes[:_SHOWN])
    more = f", … and {len(causes) - _SHOWN} more" if len(causes) > _SHOWN else ""
    return f"Caused by {shown}{more}"


def _name(key: ObjectKey) -> str:
    kind = f"{key.group}/{key.kind}" if key.group else key.kind
    return f"{kind}:{key.namespace}/{key.name}" if key.namespace else f"{kind}:{key.name}"
