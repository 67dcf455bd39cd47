"""Durations as Go writes them: `5s`, `1h30m`, `250ms`; a bare number is seconds, as Argo CD reads it."""

from __future__ import annotations

import re

from gitops.errors import InvalidSpecError

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d)")


def parse_duration(value: str | int | float) -> float:
    """Seconds of a duration. Raises InvalidSpecError naming the value where it is none, or negative."""
    text = str(value).strip()
    try:
        seconds = float(text)
    except ValueError:
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise InvalidSpecError(f"{text!r} is not a duration; write it like 30s, 5m or 1h30m") from None
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 <= seconds < float("inf"):
        raise InvalidSpecError(f"{text!r} is not a duration; it must be zero or more")
    return seconds
