"""RespectIgnoreDifferences=true: what is applied has live's value in each ignored field (specs section 4)."""

from __future__ import annotations

from typing import Any

from gitops.diff.ignore import IgnoreRules
from gitops.diff.normalise import type_of
from gitops.diff.paths import item_key
from gitops.diff.types import Type
from gitops.model.objects import Object

_ABSENT = object()


def respect_ignore_differences(target: Object, live: Object, rules: IgnoreRules) -> Object:
    """The target as it is to be applied: each ignored field as live has it, all else as it was.

    A field that live lacks is gone. `status` is never taken over. Returns `target` itself where nothing is ignored.
    Raises ComparisonError for a rule that cannot be evaluated.
    """
    matching = rules.for_object(live)
    if not matching:
        return target
    kind, _ = type_of(live, rules.overlay(live))
    bare_live, bare_target = matching.apply(live, live), matching.apply(target, live)
    made = _fields(target, bare_target, live, bare_live, kind)
    made.pop("status", None)
    return made | {"status": target["status"]} if "status" in target else made


def _take(target: Any, bare: Any, live: Any, bare_live: Any, kind: Type | None) -> Any:
    """Merge one node. `bare` and `bare_live` are the sides without ignored fields."""
    if live is _ABSENT or bare_live is live:
        return bare
    if bare_live is _ABSENT:
        return live
    if isinstance(live, dict) and isinstance(bare_live, dict):
        return _mapping(target, bare, live, bare_live, kind)
    if isinstance(live, list) and isinstance(bare_live, list):
        return _listing(target, bare, live, bare_live, kind)
    return live if live != bare_live else bare


def _mapping(target: Any, bare: Any, live: dict[str, Any], bare_live: dict[str, Any], kind: Type | None) -> Any:
    if bare is not _ABSENT and not isinstance(bare, dict):
        return bare
    wanted = target if isinstance(target, dict) else {}
    base = bare if isinstance(bare, dict) else {}
    made = _fields(wanted, base, live, bare_live, kind)
    return made if made or bare is not _ABSENT else _ABSENT


def _fields(target: Object, bare: Object, live: Object, bare_live: Object, kind: Type | None) -> Object:
    """Merge two mappings field by field, the target's first."""
    made: Object = {}
    for name in [*target, *(key for key in live if key not in target)]:
        value = _take(
            target.get(name, _ABSENT),
            bare.get(name, _ABSENT),
            live.get(name, _ABSENT),
            bare_live.get(name, _ABSENT),
            kind.child(name) if kind else None,
        )
        if value is not _ABSENT:
            made[name] = value
    return made


def _listing(target: Any, bare: Any, live: list[Any], bare_live: list[Any], kind: Type | None) -> Any:
    if live == bare_live:
        return bare
    if not isinstance(bare, list) or not isinstance(target, list):
        return bare
    item = kind.item if kind else None
    if kind is not None and kind.keys:
        held = {item_key(entry, kind.keys): entry for entry in live}
        held_bare = {item_key(entry, kind.keys): entry for entry in bare_live}
        wanted = {item_key(entry, kind.keys): entry for entry in target}
        base = {item_key(entry, kind.keys): entry for entry in bare}
        made = []
        for key in [*wanted, *(key for key in held if key not in wanted)]:
            value = _take(
                wanted.get(key, _ABSENT),
                base.get(key, _ABSENT),
                held.get(key, _ABSENT),
                held_bare.get(key, _ABSENT),
                item,
            )
            if value is not _ABSENT:
                made.append(value)
        return made
    if len(target) == len(bare) == len(live) == len(bare_live):
        return [_take(*sides, item) for sides in zip(target, bare, live, bare_live, strict=True)]
    # The items cannot be paired: a list that is replaced whole keeps what Git says.
    return target
