"""Secrets as they may be shown: equal values look equal, different ones different, and none is readable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gitops.diff.normalise import normalise
from gitops.model.names import LAST_APPLIED
from gitops.model.objects import Object, gvk_of

_SHORTEST = 8


def is_secret(obj: Object | None) -> bool:
    """Whether the object is a core Secret."""
    if obj is None:
        return False
    group, _, kind = gvk_of(obj)
    return kind == "Secret" and group == ""


def mask_secrets(
    target: Object | None, live: Object | None, annotations: Iterable[str] = ()
) -> tuple[Object | None, Object | None]:
    """Both sides with each value of `data` as a run of `+` (from 8 on, one length for each distinct value of a key).

    `annotations` names annotations to be masked as well (`resource.sensitive.mask.annotations`); the last-applied
    annotation, which holds the data too, is left out. Objects that are no Secrets come back as they are.
    """
    if not (is_secret(target) or is_secret(live)):
        return target, live
    sides = [_prepare(side) if side is not None else None for side in (target, live)]
    present = [side for side in sides if side is not None]
    for part, names in (("data", None), ("annotations", frozenset(annotations))):
        _mask([side if part == "data" else side["metadata"] for side in present], part, names)
    return sides[0], sides[1]


def _prepare(obj: Object) -> Object:
    made = {**normalise(obj), "metadata": dict(obj.get("metadata") or {})}
    noted = made["metadata"].get("annotations")
    if isinstance(noted, dict):
        made["metadata"]["annotations"] = {name: value for name, value in noted.items() if name != LAST_APPLIED}
    return made


def _mask(holders: list[Object], part: str, names: frozenset[str] | None) -> None:
    runs: dict[str, dict[str, str]] = {}
    for holder in holders:
        values = holder.get(part)
        if not isinstance(values, dict):
            continue
        masked: dict[str, Any] = {}
        for name, value in values.items():
            if names is not None and name not in names:
                masked[name] = value
                continue
            known = runs.setdefault(name, {})
            masked[name] = known.setdefault(str(value), "+" * (_SHORTEST + len(known)))
        holder[part] = masked
