"""Taking parts out of objects without touching the original: the way to the part is copied, the rest shared."""

from __future__ import annotations

from typing import Any

from gitops.diff.paths import Path, item_key


def without_pointer(obj: Any, pointer: str) -> Any:
    """The object without what a JSON pointer names (`~1` is /, `~0` is ~); as it was where that does not exist."""
    if not pointer.startswith("/"):
        return obj
    return _drop(obj, [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")])


def _drop(obj: Any, parts: list[str]) -> Any:
    head, rest = parts[0], parts[1:]
    if isinstance(obj, dict) and head in obj:
        if not rest:
            return {name: value for name, value in obj.items() if name != head}
        below = _drop(obj[head], rest)
        return obj if below is obj[head] else {**obj, head: below}
    if isinstance(obj, list) and head.isdecimal() and int(head) < len(obj):
        index = int(head)
        if not rest:
            return obj[:index] + obj[index + 1 :]
        below = _drop(obj[index], rest)
        return obj if below is obj[index] else [*obj[:index], below, *obj[index + 1 :]]
    return obj


def without(obj: Any, path: Path) -> Any:
    """The object without what is at a path; as it was where that does not exist."""
    head, rest = path[0], path[1:]
    if isinstance(head, str) and isinstance(obj, dict) and head in obj:
        if not rest:
            return {name: value for name, value in obj.items() if name != head}
        below = without(obj[head], rest)
        return obj if below is obj[head] else {**obj, head: below}
    if isinstance(head, tuple) and isinstance(obj, list):
        if head[0][0] == "":
            return [item for item in obj if item != head[0][1]]
        keys = tuple(key for key, _ in head)
        made = []
        for item in obj:
            if item_key(item, keys) != head:
                made.append(item)
            elif rest:
                made.append(without(item, rest))
        return made
    return obj
