"""Sprig's functions on text, paths, hashes and versions."""

from __future__ import annotations

import base64
import hashlib
import posixpath
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
import re2

from gitops.applicationset.gotemplate.parse import TemplateError
from gitops.applicationset.gotemplate.values import bounded, integer, text


def slugify(*arguments: Any) -> str:
    """slugify [maximum] [smart cut] value: a DNS label of at most 50 characters (or `maximum`)."""
    limit = integer(arguments[0]) if len(arguments) > 1 else 50
    smart = bool(arguments[1]) if len(arguments) > 2 else False
    made = re.sub(r"[^a-z0-9]+", "-", text(arguments[-1]).lower()).strip("-")
    if len(made) <= limit:
        return made
    cut = made[:limit]
    if smart and "-" in cut and made[limit] != "-":
        cut = cut.rpartition("-")[0]
    return cut.rstrip("-")


def _titled(value: Any, change: Callable[[str], str]) -> str:
    return re.sub(r"\b\w", lambda match: change(match[0]), text(value))


def _words(value: Any) -> list[str]:
    return [part for part in re.split(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])", text(value)) if part]


def _trunc(count: Any, value: Any) -> str:
    size = integer(count)
    return text(value)[:size] if size >= 0 else text(value)[size:]


def _go_replacement(value: Any) -> str:
    """Go writes groups as ${1}; re2 for Python as \\1."""
    return re.sub(r"\$\{?(\d+)\}?", r"\\\1", text(value).replace("\\", "\\\\"))


def _regex(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(pattern: Any, *arguments: Any) -> Any:
        try:
            compiled = re2.compile(text(pattern))
        except re2.error:
            raise TemplateError(f"{text(pattern)!r} is not a regular expression") from None
        return function(compiled, *arguments)

    return call


def _find(compiled: Any, value: Any) -> str:
    found = compiled.search(text(value))
    return str(found[0]) if found else ""


def _url(value: Any) -> dict[str, str]:
    found = urlsplit(text(value))
    return {
        "scheme": found.scheme,
        "host": found.netloc,
        "hostname": found.hostname or "",
        "path": found.path,
        "query": found.query,
        "fragment": found.fragment,
    }


def _semver(value: Any) -> tuple[Any, ...]:
    match = re.fullmatch(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([\w.-]+))?(?:\+[\w.-]+)?", text(value).strip())
    if not match:
        raise TemplateError(f"{text(value)!r} is not a semantic version")
    parts = tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in (match[4] or "").split(".") if part
    )
    return (int(match[1]), int(match[2] or 0), int(match[3] or 0), not parts, parts)


def _semver_compare(constraint: Any, version: Any) -> bool:
    found = _semver(version)

    def holds(one: str) -> bool:
        match = re.fullmatch(r"\s*(=|!=|>=|<=|>|<|~|\^)?\s*(\S+)\s*", one)
        if not match:
            raise TemplateError(f"{text(constraint)!r} is not a version constraint")
        wanted = _semver(match[2])
        if match[1] == "~":
            return found >= wanted and found[:2] == wanted[:2]
        if match[1] == "^":
            return found >= wanted and found[:1] == wanted[:1]
        order = (found > wanted) - (found < wanted)
        allowed = {"=": (0,), "!=": (-1, 1), ">": (1,), "<": (-1,), ">=": (0, 1), "<=": (-1, 0)}
        return order in allowed[match[1] or "="]

    return any(all(holds(one) for one in part.split(",")) for part in text(constraint).split("||"))


def _fail(message: Any) -> str:
    raise TemplateError(text(message))


STRINGS: dict[str, Callable[..., Any]] = {
    "trim": lambda value: text(value).strip(),
    "trimAll": lambda chars, value: text(value).strip(text(chars)),
    "trimPrefix": lambda prefix, value: text(value).removeprefix(text(prefix)),
    "trimSuffix": lambda suffix, value: text(value).removesuffix(text(suffix)),
    "upper": lambda value: text(value).upper(),
    "lower": lambda value: text(value).lower(),
    "title": lambda value: _titled(value, str.upper),
    "untitle": lambda value: _titled(value, str.lower),
    "repeat": lambda count, value: (
        text(value) * (bounded(integer(count) * max(1, len(text(value)))) and integer(count))
    ),
    "substr": lambda start, end, value: text(value)[
        max(0, integer(start)) : integer(end) if integer(end) >= 0 else None
    ],
    "nospace": lambda value: re.sub(r"\s", "", text(value)),
    "trunc": _trunc,
    "abbrev": lambda width, value: (
        text(value) if len(text(value)) <= integer(width) else text(value)[: max(0, integer(width) - 3)] + "..."
    ),
    "contains": lambda part, value: text(part) in text(value),
    "hasPrefix": lambda prefix, value: text(value).startswith(text(prefix)),
    "hasSuffix": lambda suffix, value: text(value).endswith(text(suffix)),
    "quote": lambda *values: " ".join(orjson.dumps(text(value)).decode() for value in values if value is not None),
    "squote": lambda *values: " ".join(f"'{text(value)}'" for value in values if value is not None),
    "cat": lambda *values: " ".join(text(value) for value in values if value is not None),
    "indent": lambda count, value: (
        " " * bounded(integer(count)) + text(value).replace("\n", "\n" + " " * integer(count))
    ),
    "nindent": lambda count, value: (
        "\n" + " " * bounded(integer(count)) + text(value).replace("\n", "\n" + " " * integer(count))
    ),
    "replace": lambda old, new, value: text(value).replace(text(old), text(new)),
    "plural": lambda one, many, count: one if integer(count) == 1 else many,
    "snakecase": lambda value: "_".join(_words(value)).lower(),
    "kebabcase": lambda value: "-".join(_words(value)).lower(),
    "camelcase": lambda value: "".join(part[:1].upper() + part[1:] for part in _words(value)),
    "initials": lambda value: "".join(part[0] for part in text(value).split()),
    "split": lambda sep, value: {f"_{index}": part for index, part in enumerate(text(value).split(text(sep)))},
    "splitList": lambda sep, value: text(value).split(text(sep)) if sep else list(text(value)),
    "splitn": lambda sep, count, value: {
        f"_{index}": part for index, part in enumerate(text(value).split(text(sep), integer(count) - 1))
    },
    "join": lambda sep, value: text(sep).join(
        text(item) for item in (value if isinstance(value, (list, tuple)) else [value]) if item is not None
    ),
    "sortAlpha": lambda value: sorted(text(item) for item in value),
    "toString": text,
    "toStrings": lambda value: [text(item) for item in value],
    "regexMatch": _regex(lambda rx, value: rx.search(text(value)) is not None),
    "regexFind": _regex(_find),
    "regexFindAll": _regex(
        lambda rx, value, count: [m[0] for m in rx.finditer(text(value))][
            : integer(count) if integer(count) >= 0 else None
        ]
    ),
    "regexReplaceAll": _regex(lambda rx, value, new: rx.sub(_go_replacement(new), text(value))),
    "regexReplaceAllLiteral": _regex(lambda rx, value, new: rx.sub(text(new).replace("\\", "\\\\"), text(value))),
    "regexSplit": _regex(
        lambda rx, value, count: rx.split(text(value), max(0, integer(count) - 1) if integer(count) > 0 else 0)
    ),
    "base": lambda value: posixpath.basename(text(value).rstrip("/")) or ("/" if value else "."),
    "dir": lambda value: posixpath.dirname(text(value)) or ".",
    "ext": lambda value: posixpath.splitext(text(value))[1],
    "clean": lambda value: posixpath.normpath(text(value)),
    "isAbs": lambda value: text(value).startswith("/"),
    "urlParse": _url,
    "b64enc": lambda value: base64.b64encode(text(value).encode()).decode(),
    "b64dec": lambda value: base64.b64decode(text(value)).decode(),
    "sha1sum": lambda value: hashlib.sha1(text(value).encode(), usedforsecurity=False).hexdigest(),
    "sha256sum": lambda value: hashlib.sha256(text(value).encode()).hexdigest(),
    "semverCompare": _semver_compare,
    "fail": _fail,
}
