"""Reading objects whose shape nobody vouches for: each answers with something empty where the shape is another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def section(obj: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A mapping inside a mapping."""
    value = obj.get(name)
    return value if isinstance(value, dict) else {}


def metadata(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object's metadata."""
    return section(obj, "metadata")


def integer(value: Any) -> int:
    """A whole number; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def whole_number(value: Any) -> int | None:
    """A whole number, also one written as text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and len(value) < 19 and value.isdecimal():
        return int(value)
    return None


def conditions(obj: Mapping[str, Any]) -> list[dict[str, Any]]:
    """status.conditions."""
    items = section(obj, "status").get("conditions")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def condition(obj: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
    """The first condition of a type."""
    return next((item for item in conditions(obj) if item.get("type") == kind), None)


def at(obj: Any, path: tuple[str, ...]) -> Any:
    """What is at a path of names; None where the path ends early."""
    for name in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(name)
    return obj
