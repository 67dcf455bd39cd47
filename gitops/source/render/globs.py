"""Globs as Argo CD has them for include, exclude and value files: `*`, `**`, `?`, `[...]`, `{a,b}`."""

from __future__ import annotations

import re
from functools import lru_cache

from gitops.source.render.errors import WrongSpec


@lru_cache(maxsize=64)
def compile_glob(pattern: str, *, separators: bool = False) -> re.Pattern[str]:  # noqa: PLR0912  (one a character)
    """The pattern as a regular expression for whole paths.

    With `separators`, `*` and `?` stop at `/` and `**` crosses it (value files); without, all of them cross it, as the
    matcher of include and exclude does. Raises WrongSpec.
    """
    out: list[str] = []
    depth, i = 0, 0
    one = "[^/]" if separators else "."
    while i < len(pattern):
        c = pattern[i]
        i += 1
        if c == "*":
            crosses = not separators
            while pattern[i : i + 1] == "*":
                crosses, i = True, i + 1
            if crosses and separators and pattern[i : i + 1] == "/" and (not out or out[-1] == "/"):
                out.append("(?:.*/)?")
                i += 1
            else:
                out.append(".*" if crosses else "[^/]*")
        elif c == "?":
            out.append(one)
        elif c == "[":
            end = pattern.find("]", i + 1)
            if end < 0:
                raise WrongSpec(f"the glob {pattern!r} has an unclosed [")
            body = pattern[i:end].replace("\\", r"\\").replace("[", r"\[")
            out.append("[" + ("^" + body[1:] if body[:1] in "!^" and body else body) + "]")
            i = end + 1
        elif c == "{":
            depth += 1
            out.append("(?:")
        elif c == "}" and depth:
            depth -= 1
            out.append(")")
        elif c == "," and depth:
            out.append("|")
        elif c == "\\" and i < len(pattern):
            out.append(re.escape(pattern[i]))
            i += 1
        else:
            out.append(re.escape(c))
    if depth:
        raise WrongSpec(f"the glob {pattern!r} has an unclosed {{")
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error:
        raise WrongSpec(f"the glob {pattern!r} cannot be read") from None


def matches(pattern: str, path: str) -> bool:
    """Whether a directory source's include or exclude pattern matches the path."""
    return compile_glob(pattern).fullmatch(path) is not None
