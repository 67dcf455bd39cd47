"""Paths into objects: how comparisons note them and how people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

#: A field or entry name, the index of a list item, or the merge keys of one as (key, value) pairs.
Step = str | int | tuple[tuple[str, Any], ...]
Path = tuple[Step, ...]

_PLAIN = re.compile(r"^[A-Za-z_$][A-Za-z0-9_$-]*$")

#: What an associative list's key is where it is not given; only this one has a default in Kubernetes.
KEY_DEFAULTS = {"protocol": "TCP"}


def item_key(item: Any, keys: tuple[str, ...]) -> tuple[tuple[str, Any], ...] | None:
    """The merge key of a list item; None where it lacks one."""
    if not isinstance(item, dict):
        return None
    found = tuple([(key, item.get(key, KEY_DEFAULTS.get(key))) for key in keys])
    if any(isinstance(value, (dict, list)) for _, value in found):
        return None
    return found if any(value is not None for _, value in found) else None


def show(path: Path) -> str:
    """A path as people read it: `spec.containers[name=web].image`, `metadata.labels["a/b"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif isinstance(step, tuple):
            text += "[" + ",".join(f"{key}={value}" for key, value in step if value is not None) + "]"
        elif _PLAIN.match(step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


def lookup(obj: Any, path: Iterable[Step]) -> tuple[bool, Any]:
    """(whether it is there, the value) at a path."""
    at = obj
    for step in path:
        if isinstance(step, tuple):
            keys = tuple(key for key, _ in step)
            found = [item for item in at or () if item_key(item, keys) == step] if isinstance(at, list) else []
            if not found:
                return False, None
            at = found[0]
        elif isinstance(step, int):
            if not isinstance(at, list) or step >= len(at):
                return False, None
            at = at[step]
        elif isinstance(at, dict) and step in at:
            at = at[step]
        else:
            return False, None
    return True, at
