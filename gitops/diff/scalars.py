"""When two scalars are the same value: quantities, numbers, times and bytes have more than one spelling."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from gitops.diff.verdict import Verdict

_QUANTITY = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(m|[kMGTPE]|n|u|[KMGTPE]i|[eE][+-]?\d{1,3})?$")
_SUFFIX = {
    "n": Decimal(10) ** -9,
    "u": Decimal(10) ** -6,
    "m": Decimal(10) ** -3,
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d")
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def quantity(value: Any) -> Decimal | None:
    """A Kubernetes quantity as a number; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    match = _QUANTITY.match(str(value).strip())
    if match is None:
        return None
    number, suffix = Decimal(match[1]), match[2]
    if not suffix:
        return number
    if suffix in _SUFFIX:
        return number * _SUFFIX[suffix]
    return number * Decimal(10) ** int(suffix[1:])


def duration(value: Any) -> float | None:
    """A Go duration in seconds (`1h30m`, `-5s`, `0`); None where it is none."""
    text = str(value).strip()
    sign, text = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if text == "0":
        return 0.0
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sign * sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _typed_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def exact(a: Any, b: Any) -> bool:
    """Whether two scalars are one JSON value; true is not 1, and 1 is 1.0."""
    if type(a) is type(b) or (_typed_number(a) and _typed_number(b)):
        return bool(a == b)
    return False


def compare_scalars(target: Any, live: Any, kind: str, *, builtin: bool) -> Verdict:
    """Compare what Git wants with what the server holds.

    `kind` is the field's type name (types.Type.kind, "any" where unknown), `builtin` whether the server decodes the
    object into types of its own and so may respell it. DIFFERENT is sure: the server would store another value.
    """
    if exact(target, live):
        return Verdict.SAME
    read = _READERS.get(kind)
    if read is not None:
        a, b = read(target), read(live)
        return Verdict.ASK if a is None or b is None else _sure(a == b)
    if target is None or live is None or type(target) is not type(live):
        return Verdict.ASK
    if isinstance(target, str):
        if kind == "time" or _TIME.match(target):
            return Verdict.ASK
        if not builtin and kind == "any" and (amount := quantity(target)) is not None and amount == quantity(live):
            # A custom resource's own schema or webhook may respell it.
            return Verdict.ASK
    return Verdict.DIFFERENT


def _sure(same: bool) -> Verdict:
    return Verdict.SAME if same else Verdict.DIFFERENT


def _base64(value: Any) -> str | None:
    return re.sub(r"[\r\n]", "", value) if isinstance(value, str) else None


_READERS: dict[str, Callable[[Any], Any]] = {"quantity": quantity, "duration": duration, "bytes": _base64}
