"""Differences as people read them: a unified diff of YAML, live first, as `gitops app diff` prints it."""

from __future__ import annotations

import difflib
from typing import Any

import yaml

from gitops.diff.ignore import NO_RULES, IgnoreRules
from gitops.diff.mask import mask_secrets
from gitops.diff.normalise import normalise, reduce_claim_templates, type_of
from gitops.diff.paths import item_key
from gitops.diff.types import Type
from gitops.model.objects import Object, key_of


def header(obj: Object) -> str:
    """`===== group/kind namespace/name ======`, as Argo CD's command line has it."""
    group, kind, namespace, name = key_of(obj)
    return f"===== {group}/{kind} {namespace}/{name} ======"


def unified(
    target: Object | None, live: Object | None, rules: IgnoreRules = NO_RULES, *, predicted: Object | None = None
) -> str:
    """The header and a unified diff from live to what it would become; empty where there is no difference.

    Without `predicted` (the answer of a dry-run apply) what the server fills in by itself is left out of the live side,
    so that only what Git says is shown. Values of Secrets are masked, and ignored fields left out.
    """
    some = target if target is not None else live
    if some is None:
        return ""
    before: Object | None
    after: Object | None
    if target is not None and live is not None:
        before, after = _pair(target, live, rules, predicted)
    else:
        before, after = (normalise(side) if side is not None else None for side in (live, target))
    after, before = mask_secrets(after, before)
    lines = list(difflib.unified_diff(_lines(before), _lines(after), "live", "target", lineterm="", n=3))
    return "\n".join([header(some), *lines, ""]) if lines else ""


def _lines(obj: Object | None) -> list[str]:
    if obj is None:
        return []
    return yaml.dump(obj, Dumper=yaml.CSafeDumper, sort_keys=True, width=1_000_000, allow_unicode=True).splitlines()


def _pair(target: Object, live: Object, rules: IgnoreRules, predicted: Object | None) -> tuple[Object, Object]:
    matching = rules.for_object(live)
    wanted, held = normalise(target, rules.settings), normalise(live, rules.settings)
    held = reduce_claim_templates(wanted, held)
    if matching:
        wanted, held = matching.apply(wanted, live), matching.apply(held, live)
    if predicted is not None:
        after = normalise(predicted, rules.settings)
        return held, matching.apply(after, live) if matching else after
    kind, _ = type_of(live, rules.overlay(live))
    return held, _onto(held, wanted, kind)


def _onto(live: Any, target: Any, kind: Type | None) -> Any:
    """The live object with the target's values put onto it: what an apply is expected to give."""
    if isinstance(live, dict) and isinstance(target, dict):
        made = dict(live)
        for name, value in target.items():
            child = kind.child(name) if kind else None
            if name in live:
                made[name] = _onto(live[name], value, child)
            elif value not in (None, {}, []):
                made[name] = value
        return made
    if isinstance(live, list) and isinstance(target, list) and kind and kind.keys:
        held = {item_key(item, kind.keys): item for item in live}
        wanted = {item_key(item, kind.keys): item for item in target}
        merged = [_onto(held[key], item, kind.item) if key in held else item for key, item in wanted.items()]
        return merged + [item for key, item in held.items() if key not in wanted]
    if isinstance(live, list) and isinstance(target, list) and len(live) == len(target):
        return [_onto(one, other, kind.item if kind else None) for one, other in zip(live, target, strict=True)]
    return live if target is None else target
