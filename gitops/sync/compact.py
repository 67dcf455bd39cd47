"""A dataclass as JSON without what is plain: a plan has thousands of tasks and results, and rests after each step."""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import cache
from typing import Any


def given(obj: Any) -> dict[str, Any]:
    """The fields of a dataclass' object that differ from their defaults; `asdict` would copy all of them deeply."""
    return {name: value for name, default in _defaults(obj.__class__) if (value := getattr(obj, name)) != default}


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in fields(kind) if field.default is not MISSING)
