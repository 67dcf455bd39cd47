"""Who owns which field of a live object, and what Git no longer wants of what is ours (specs section 4).

Field sets are read as they are on the wire (`fieldsV1`): `f:name` a field, `k:{...}` a list item by its merge keys,
`v:...` a value of a set (a step with the empty key), `.` the node itself; an empty object is a leaf, owned with
everything below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

from gitops.diff.defaults import is_default, refills
from gitops.diff.paths import KEY_DEFAULTS, Path, Step, item_key
from gitops.diff.types import Type
from gitops.model.names import FIELD_MANAGER, LAST_APPLIED
from gitops.model.objects import Object, annotations_of

FieldSet = dict[str, Any]
#: Managers whose applied fields are ours: our own, and Argo CD's for objects that come from there.
ARGO_MANAGER = "argocd-controller"
OUR_MANAGERS = frozenset({FIELD_MANAGER, ARGO_MANAGER})
#: Entries whose removal from Git is sure to show: there is nothing that the server would fill in.
_FREE_MAPS = frozenset({"labels", "annotations", "data", "binaryData", "matchLabels"})


def entries(live: Object) -> list[dict[str, Any]]:
    """`metadata.managedFields`, never None."""
    return (live.get("metadata") or {}).get("managedFields") or []


def owned_sets(live: Object, managers: frozenset[str], *, applied_only: bool) -> list[FieldSet]:
    """The field sets of these managers; `applied_only` leaves out those that were not made by server-side apply."""
    return [
        entry.get("fieldsV1") or {}
        for entry in entries(live)
        if entry.get("manager") in managers
        and not entry.get("subresource")
        and (not applied_only or entry.get("operation") == "Apply")
    ]


@lru_cache(maxsize=4096)
def _key_of(name: str) -> tuple[tuple[str, Any], ...]:
    """The step that `k:{...}` or `v:...` stands for; `i:` (an index, of which servers make no use) leads nowhere."""
    if name.startswith("k:"):
        fields: dict[str, Any] = orjson.loads(name[2:])
        return tuple(fields.items())
    return (("", orjson.loads(name[2:])),) if name.startswith("v:") else (("\0", None),)


def _descend(node: FieldSet, step: Step) -> FieldSet | None:
    """The node below `step`; None where the set does not go there."""
    if isinstance(step, str):
        return node.get(f"f:{step}")
    if isinstance(step, tuple):
        wanted = dict(step)
        for name, below in node.items():
            if name.startswith("v:") and "" in wanted and orjson.loads(name[2:]) == wanted[""]:
                return {}
            if name.startswith("k:"):
                keys = dict(_key_of(name))
                if all(wanted.get(key, KEY_DEFAULTS.get(key)) == value for key, value in keys.items()):
                    return below if isinstance(below, dict) else {}
    return None


def owns(field_set: FieldSet, path: Path) -> bool:
    """Whether the set has the field at `path`, itself or as part of something owned whole."""
    node = field_set
    for step in path:
        below = _descend(node, step)
        if below is None:
            return False
        node = below
        if not node:
            return True
    return True


def leaves(field_set: FieldSet, obj: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of the set's leaves that `obj` holds."""
    for name, below in field_set.items():
        if name == ".":
            continue
        if name.startswith("f:"):
            field = name[2:]
            if not isinstance(obj, dict) or field not in obj:
                continue
            step: Step = field
            value = obj[field]
        elif name.startswith("k:"):
            step = _key_of(name)
            keys = tuple(key for key, _ in step)
            found = [item for item in obj if item_key(item, keys) == step] if isinstance(obj, list) else []
            if not found:
                continue
            value = found[0]
        elif name.startswith("v:"):
            entry = orjson.loads(name[2:])
            if isinstance(obj, list) and entry in obj:
                yield (*path, (("", entry),))
            continue
        else:
            continue
        inner = [key for key in below if key != "."]
        if not inner or any(key.startswith("i:") for key in inner):
            yield (*path, step)
        else:
            yield from leaves(below, value, (*path, step))


def item_leaves(field_set: FieldSet, obj: Any) -> Iterator[Path]:
    """As leaves, but a list item that the set has whole is one path: taking its fields out would leave a torso."""
    seen: set[Path] = set()
    for path in leaves(field_set, obj):
        node: FieldSet | None = field_set
        whole = path
        for depth, step in enumerate(path, start=1):
            node = _descend(node, step) if node else None
            if isinstance(step, tuple) and step[0][0] and node is not None and "." in node:
                whole = path[:depth]
                break
        if whole not in seen:
            seen.add(whole)
            yield whole


def removed_from_git(
    target: Object,
    live: Object,
    kind: Type | None = None,
    *,
    raw: Object | None = None,
    managers: frozenset[str] = OUR_MANAGERS,
) -> Iterator[tuple[Path, bool]]:
    """What we put there and Git no longer has: (path, whether the removal is sure to change the object).

    Read from the field sets of our managers' applies; where there are none, from what kubectl or Argo CD noted in the
    last-applied annotation. A field that somebody else applied or wrote too stays, and so is not removed. Nothing is
    said of values that the server would fill in again. `raw` is the live object with its managedFields and annotations
    where `live` is a normalised form of it; `managers` narrows whose applies are looked at.
    """
    raw = live if raw is None else raw
    if not owned_sets(raw, OUR_MANAGERS, applied_only=True):
        yield from _removed_since_last_applied(target, live, kind, last_applied(raw))
        return
    others = [
        entry.get("fieldsV1") or {}
        for entry in entries(raw)
        if entry.get("manager") not in OUR_MANAGERS and not entry.get("subresource")
    ]
    for field_set in owned_sets(raw, managers, applied_only=True):
        for at, value, below in _gone_of_set(field_set, target, live, ()):
            if refills(str(at[-1]), value):
                continue
            parts = list(leaves(below, value, at)) or [at]
            if not all(any(owns(other, part) for other in others) for part in parts):
                yield at, _is_sure(at)


def _gone_of_set(field_set: FieldSet, target: Any, live: Any, path: Path) -> Iterator[tuple[Path, Any, FieldSet]]:
    """What a field set has, live holds and the target lacks: (path, live's value, the set below), as high as can be."""
    for name, below in field_set.items():
        if name == ".":
            continue
        step: Step = name[2:] if name.startswith("f:") else _key_of(name)
        held = _child(live, step)
        if held is None:
            continue
        wanted = _child(target, step)
        if wanted is None:
            yield (*path, step), held, below
        elif below and isinstance(wanted, (dict, list)):
            yield from _gone_of_set(below, wanted, held, (*path, step))


def _child(obj: Any, step: Step) -> Any:
    if isinstance(step, str):
        return obj.get(step) if isinstance(obj, dict) else None
    if isinstance(step, tuple) and isinstance(obj, list):
        if step[0][0] == "":
            return next((item for item in obj if item == step[0][1]), None)
        keys = tuple(key for key, _ in step)
        return next((item for item in obj if item_key(item, keys) == step), None)
    return None


def _is_sure(path: Path) -> bool:
    return isinstance(path[-1], tuple) or (len(path) > 1 and path[-2] in _FREE_MAPS)


def last_applied(live: Object) -> Object | None:
    """What the last-applied annotation notes; None where there is none or it cannot be read."""
    text = annotations_of(live).get(LAST_APPLIED)
    if not text:
        return None
    try:
        noted = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return noted if isinstance(noted, dict) else None


def _removed_since_last_applied(
    target: Object, live: Object, kind: Type | None, noted: Object | None
) -> Iterator[tuple[Path, bool]]:
    if noted is None:
        return
    for name, value in noted.items():
        if name in ("apiVersion", "kind", "status"):
            continue
        if name == "metadata":
            for part in ("labels", "annotations"):
                for entry in (value or {}).get(part) or {}:
                    held = ((live.get("metadata") or {}).get(part) or {}).get(entry)
                    if held is not None and entry not in ((target.get("metadata") or {}).get(part) or {}):
                        yield ("metadata", part, entry), True
        else:
            yield from _gone(value, target.get(name), live.get(name), kind.child(name) if kind else None, (name,))


def _gone(noted: Any, wanted: Any, held: Any, kind: Type | None, path: Path) -> Iterator[tuple[Path, bool]]:
    if noted is None or held is None:
        return
    if wanted is None:
        if not is_default(str(path[-1]), held):
            yield path, _is_sure(path)
        return
    if isinstance(noted, dict) and isinstance(wanted, dict) and isinstance(held, dict):
        for name, value in noted.items():
            below = kind.child(name) if kind else None
            yield from _gone(value, wanted.get(name), held.get(name), below, (*path, name))
    elif isinstance(noted, list) and isinstance(wanted, list) and isinstance(held, list) and kind and kind.keys:
        for item in noted:
            key = item_key(item, kind.keys)
            if key is not None:
                yield from _gone(item, _child(wanted, key), _child(held, key), kind.item, (*path, key))
