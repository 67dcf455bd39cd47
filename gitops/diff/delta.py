"""What a dry-run apply would change: live against the API server's answer.

Both sides come from the server, so values compare as they are; only what an admission webhook puts in on each request
is no difference of ours (specs section 4, server-side diff).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitops.diff.managed import OUR_MANAGERS, FieldSet, entries, owned_sets, owns
from gitops.diff.paths import Path, item_key, lookup
from gitops.diff.scalars import exact
from gitops.diff.types import Type
from gitops.model.objects import Object


def delta(live: Any, predicted: Any, kind: Type | None, path: Path = ()) -> Iterator[Path]:
    """The paths at which two objects differ; list items by merge key where the type has one."""
    if isinstance(live, dict) and isinstance(predicted, dict):
        for name in live.keys() | predicted.keys():
            here = (*path, name)
            if name not in live or name not in predicted:
                if live.get(name) or predicted.get(name) or live.get(name) != predicted.get(name):
                    yield here
            else:
                yield from delta(live[name], predicted[name], kind.child(name) if kind else None, here)
    elif isinstance(live, list) and isinstance(predicted, list):
        if kind and kind.keys:
            yield from _items(live, predicted, kind, path)
        elif len(live) != len(predicted) or any(
            next(delta(one, other, kind.item if kind else None, path), None) is not None
            for one, other in zip(live, predicted, strict=True)
        ):
            yield path
    elif isinstance(live, (dict, list)) or isinstance(predicted, (dict, list)):
        if live or predicted:
            yield path
    elif not exact(live, predicted):
        yield path


def _items(live: list[Any], predicted: list[Any], kind: Type, path: Path) -> Iterator[Path]:
    held = {item_key(item, kind.keys): item for item in live}
    after = {item_key(item, kind.keys): item for item in predicted}
    if len(held) != len(live) or len(after) != len(predicted):
        if live != predicted:
            yield path
        return
    for key in (*held, *(key for key in after if key not in held)):
        here = (*path, key or ())
        if key not in held or key not in after:
            yield here
        else:
            yield from delta(held[key], after[key], kind.item, here)
    if list(held) != list(after) and set(held) == set(after):
        yield path


def would_change(
    target: Object,
    live: Object,
    predicted: Object,
    live_raw: Object,
    predicted_raw: Object,
    kind: Type | None,
    *,
    webhooks_count: bool = False,
) -> Iterator[Path]:
    """The paths that an apply of the target would change by the target's own doing.

    `live` and `predicted` are normalised, the raw ones carry managedFields. A changed field counts if the apply owns it
    afterwards, if the target names it as empty, or if it was ours and the target no longer names it. What else differs
    came from admission webhooks, and counts only with `webhooks_count`. Where the answer carries no managedFields, each
    difference counts.
    """
    after = [_with_string_data(found) for found in owned_sets(predicted_raw, OUR_MANAGERS, applied_only=True)]
    before = owned_sets(live_raw, OUR_MANAGERS, applied_only=False)
    judge = bool(after) and bool(entries(predicted_raw)) and not webhooks_count
    for path in delta(live, predicted, kind):
        if not judge or (lookup(predicted, path)[0] and any(owns(field_set, path) for field_set in after)):
            yield path
            continue
        named, wanted = lookup(target, path)
        # The server leaves out what is named as empty or zero, and with it who owns it.
        if not wanted if named else any(owns(field_set, path) for field_set in before):
            yield path


def _with_string_data(field_set: FieldSet) -> FieldSet:
    """A Secret's stringData, which is written only, owns the data that it became."""
    if "f:stringData" not in field_set:
        return field_set
    return {**field_set, "f:data": {**(field_set.get("f:data") or {}), **field_set["f:stringData"]}}
