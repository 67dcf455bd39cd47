"""Globs as projects write them: `*`, `**`, `?`, `[a-z]`, `{one,two}`, and `!` in front to deny."""

from __future__ import annotations

import re
from functools import lru_cache

from gitops.errors import InvalidSpecError


def is_deny(pattern: str) -> bool:
    """Whether a pattern denies what it matches."""
    return pattern.startswith("!")


def matches(pattern: str, value: str, separator: str = "") -> bool:
    """Whether a glob matches the whole value. `*` and `?` do not cross `separator`; `**` does. `*` alone matches all.

    Raises InvalidSpecError for a pattern that is no glob.
    """
    return pattern == "*" or _compiled(pattern, separator).fullmatch(value) is not None


def matches_any(patterns: list[str], value: str) -> bool:
    """Whether any of the patterns matches; one between slashes is a regular expression."""
    for pattern in patterns:
        if len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/"):
            try:
                if re.search(pattern[1:-1], value):
                    return True
            except re.error:
                raise InvalidSpecError(f"{pattern!r} is not a regular expression; correct it") from None
        elif matches(pattern, value):
            return True
    return False


_TOKEN = re.compile(r"\*+|\[[!^]?[^\]]+\]|\\.?|.", re.DOTALL)


@lru_cache(maxsize=1024)
def _compiled(pattern: str, separator: str) -> re.Pattern[str]:
    one = f"[^{re.escape(separator)}]" if separator else "."
    made, depth = "", 0
    for piece in _TOKEN.findall(pattern):
        if piece[0] == "*":
            made += f"{one}*" if piece == "*" else ".*"
        elif piece[0] == "[" and len(piece) > 1:
            made += _character_class(piece[1:-1])
        elif piece in "{}," and (piece == "{" or depth):
            depth += {"{": 1, "}": -1, ",": 0}[piece]
            made += {"{": "(?:", "}": ")", ",": "|"}[piece]
        elif piece[0] == "\\":
            made += re.escape(piece[1:] or piece)
        elif piece == "[":
            raise InvalidSpecError(f"the pattern {pattern!r} has a [ without its ]; correct it")
        else:
            made += one if piece == "?" else re.escape(piece)
    if depth:
        raise InvalidSpecError(f"the pattern {pattern!r} has a {{ without its }}; correct it")
    try:
        return re.compile(made, re.DOTALL)
    except re.error:
        raise InvalidSpecError(f"the pattern {pattern!r} is not a glob; correct it") from None


def _character_class(inside: str) -> str:
    negated = inside[0] in "!^" and len(inside) > 1
    body = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[1:] if negated else inside)
    return f"[{'^' if negated else ''}{body}]"
