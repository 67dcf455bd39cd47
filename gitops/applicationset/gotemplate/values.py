"""Go's view of values: how they print, when they are true, how they order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops.applicationset.gotemplate.parse import TemplateError

#: The most characters or items that one function may make.
LIMIT = 1_000_000


def bounded(count: int) -> int:
    """The count itself. Raises TemplateError where it is beyond LIMIT."""
    if count > LIMIT:
        raise TemplateError(f"a template function was asked for {count} items; the most is {LIMIT}")
    return count


def show(value: Any) -> str:
    """A value as Go's print shows it."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, Mapping):
        inner = " ".join(f"{key}:{show(item)}" for key, item in sorted(value.items(), key=lambda item: str(item[0])))
        return f"map[{inner}]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(show(item) for item in value) + "]"
    return str(value)


def text(value: Any) -> str:
    """A value as sprig's functions take it for a string."""
    return "" if value is None else show(value)


def truth(value: Any) -> bool:
    """Go templates' truth: not zero, not empty, not nil."""
    return bool(value)


def equal(a: Any, b: Any) -> bool:
    """Equality without Python's true == 1."""
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def kind(value: Any) -> str:
    """Go's name of a value's kind."""
    if value is None:
        return "invalid"
    for types, name in (
        (bool, "bool"),
        (int, "int"),
        (float, "float64"),
        (str, "string"),
        (Mapping, "map"),
        ((list, tuple), "slice"),
    ):
        if isinstance(value, types):
            return name
    return "interface"


def number(value: Any) -> float | int:
    """A number of a number or text; 0 where it is none, as sprig's casts have it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    try:
        return int(str(value), 10)
    except ValueError:
        try:
            return float(str(value))
        except ValueError:
            return 0


def integer(value: Any) -> int:
    """As number, cut to an integer."""
    return int(number(value))
