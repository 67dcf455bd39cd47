"""The functions of templates: Go's own, sprig's without those that read time, chance, network or environment, and
Argo CD's normalize, slugify, toYaml, fromYaml and fromYamlArray.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import orjson
import yaml

from gitops.applicationset.gotemplate.parse import TemplateError
from gitops.applicationset.gotemplate.strings import STRINGS, slugify
from gitops.applicationset.gotemplate.values import LIMIT, bounded, equal, integer, kind, number, show, text, truth
from gitops.applicationset.names import sanitize


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif value is None:
            raise TemplateError("index of untyped nil")
        elif not -1 < integer(key) < len(value):
            raise TemplateError(f"index out of range: {integer(key)}")
        else:
            value = value[integer(key)]
    return value


def _slice(value: Any, *bounds: Any) -> Any:
    start, end = (*(integer(bound) for bound in bounds[:2]), *(0, len(value))[len(bounds) :])
    if not 0 <= start <= end <= len(value):
        raise TemplateError(f"slice out of range: {start}:{end}")
    return value[start:end]


def _printf(pattern: str, *values: Any) -> str:
    left = list(values)

    def one(match: re.Match[str]) -> str:
        flags, verb = match[1], match[2]
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        value = left.pop(0)
        shown = _VERBS.get(verb)
        if shown is not None:
            return f"%{flags}s" % shown(value)
        return f"%{flags}{verb}" % (integer(value) if verb in "dxXoc" else number(value))

    return re.sub(r"%([-+ 0#]*\d{0,4}(?:\.\d{0,3})?)([vsdqtTxXofeEgGc%])", one, pattern)


_VERBS: dict[str, Callable[[Any], str]] = {
    "v": show,
    "s": text,
    "q": lambda value: orjson.dumps(text(value)).decode(),
    "T": kind,
    "t": lambda value: show(bool(value)),
}


def _order(a: Any, b: Any) -> int:
    if isinstance(a, str) != isinstance(b, str):
        raise TemplateError("incompatible types for comparison")
    return int(a > b) - int(a < b)


def _dict(*pairs: Any) -> dict[str, Any]:
    padded = (*pairs, "") if len(pairs) % 2 else pairs
    return {text(key): value for key, value in zip(padded[::2], padded[1::2], strict=True)}


def _set(target: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    return {**target, key: value}


def _merge(*maps: Mapping[str, Any], overwrite: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for part in maps:
        for key, value in part.items():
            if isinstance(made.get(key), Mapping) and isinstance(value, Mapping):
                made[key] = _merge(made[key], value, overwrite=overwrite)
            elif overwrite or key not in made:
                made[key] = value
    return made


def _dig(*arguments: Any) -> Any:
    *keys, default, value = arguments
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return default
        value = value[key]
    return value


def _load(value: Any, shape: type) -> Any:
    try:
        found = yaml.safe_load(text(value))
    except yaml.YAMLError:
        raise TemplateError("the text given to fromYaml is not YAML") from None
    if found is None:
        return shape()
    if not isinstance(found, shape):
        raise TemplateError("the YAML is not of the form that was asked for")
    return found


def _dump(value: Any) -> str:
    return (
        str(yaml.safe_dump(value, default_flow_style=False, sort_keys=True, width=LIMIT))
        .removesuffix("\n")
        .removesuffix("\n...")
    )


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _from_json(value: Any) -> Any:
    try:
        return orjson.loads(text(value))
    except orjson.JSONDecodeError:
        raise TemplateError("the text given to fromJson is not JSON") from None


def _until(start: int, stop: int, step: int = 1) -> list[int]:
    bounded(abs(stop - start))
    return list(range(start, stop, step or 1))


def _math(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: function(*(integer(value) for value in values))


def _divide(a: int, b: int) -> int:
    if b == 0:
        raise TemplateError("division by zero")
    return int(math.copysign(abs(a) // abs(b), a * b)) if a else 0


def _round(value: Any, places: Any = 0) -> float:
    scale = 10 ** min(integer(places), 15)
    return float(math.floor(float(number(value)) * scale + 0.5) / scale)


_GO: dict[str, Callable[..., Any]] = {
    "not": lambda value: not truth(value),
    "eq": lambda a, *others: any(equal(a, b) for b in others),
    "ne": lambda a, b: not equal(a, b),
    "lt": lambda a, b: _order(a, b) < 0,
    "le": lambda a, b: _order(a, b) <= 0,
    "gt": lambda a, b: _order(a, b) > 0,
    "ge": lambda a, b: _order(a, b) >= 0,
    "len": len,
    "index": _index,
    "print": lambda *values: " ".join(show(value) for value in values),
    "println": lambda *values: " ".join(show(value) for value in values) + "\n",
    "printf": _printf,
    "urlquery": lambda value: quote_plus(text(value)),
    "html": lambda value: (
        text(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")
    ),
}

_ARGO: dict[str, Callable[..., Any]] = {
    "normalize": lambda value: sanitize(text(value)),
    "slugify": slugify,
    "toYaml": _dump,
    "fromYaml": lambda value: _load(value, dict),
    "fromYamlArray": lambda value: _load(value, list),
}

_VALUES: dict[str, Callable[..., Any]] = {
    "default": lambda given, value=None: value if truth(value) else given,
    "empty": lambda value: not truth(value),
    "coalesce": lambda *values: next((value for value in values if truth(value)), None),
    "all": lambda *values: all(truth(value) for value in values),
    "any": lambda *values: any(truth(value) for value in values),
    "ternary": lambda yes, no, test: yes if truth(test) else no,
    "kindOf": kind,
    "kindIs": lambda name, value: kind(value) == name,
    "typeOf": kind,
    "toJson": _json,
    "toRawJson": _json,
    "toPrettyJson": lambda value: orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).decode(),
    "fromJson": _from_json,
    "add": _math(lambda *values: sum(values)),
    "add1": _math(lambda value: value + 1),
    "sub": _math(lambda a, b: a - b),
    "mul": _math(lambda *values: math.prod(values)),
    "div": _math(_divide),
    "mod": _math(lambda a, b: a - b * _divide(a, b)),
    "max": _math(max),
    "min": _math(min),
    "floor": lambda value: float(math.floor(number(value))),
    "ceil": lambda value: float(math.ceil(number(value))),
    "round": _round,
    "int": integer,
    "int64": integer,
    "atoi": integer,
    "float64": lambda value: float(number(value)),
}

_LISTS: dict[str, Callable[..., Any]] = {
    "list": lambda *values: list(values),
    "first": lambda value: value[0] if value else None,
    "last": lambda value: value[-1] if value else None,
    "rest": lambda value: list(value[1:]),
    "initial": lambda value: list(value[:-1]),
    "append": lambda value, item: [*value, item],
    "prepend": lambda value, item: [item, *value],
    "concat": lambda *lists: [item for part in lists for item in part],
    "reverse": lambda value: list(reversed(value)),
    "uniq": lambda value: [item for index, item in enumerate(value) if item not in value[:index]],
    "without": lambda value, *items: [item for item in value if item not in items],
    "has": lambda item, value: item in (value or ()),
    "compact": lambda value: [item for item in value if truth(item)],
    "slice": _slice,
    "until": lambda count: _until(0, integer(count), 1 if integer(count) >= 0 else -1),
    "untilStep": lambda start, stop, step: _until(integer(start), integer(stop), integer(step)),
    "dict": _dict,
    "get": lambda value, key: value.get(key, ""),
    "set": _set,
    "unset": lambda value, key: {name: item for name, item in value.items() if name != key},
    "hasKey": lambda value, key: key in value,
    "keys": lambda *maps: sorted(key for part in maps for key in part),
    "values": lambda value: [item for _, item in sorted(value.items())],
    "pick": lambda value, *keys: {key: value[key] for key in keys if key in value},
    "omit": lambda value, *keys: {key: item for key, item in value.items() if key not in keys},
    "pluck": lambda key, *maps: [part[key] for part in maps if key in part],
    "merge": _merge,
    "mergeOverwrite": lambda *maps: _merge(*maps, overwrite=True),
    "deepCopy": lambda value: _from_json(_json(value)),
    "dig": _dig,
}

FUNCTIONS: dict[str, Callable[..., Any]] = {**STRINGS, **_VALUES, **_LISTS, **_GO, **_ARGO}
#: sprig's must… differ only in how they report errors.
FUNCTIONS |= {
    f"must{name[0].upper()}{name[1:]}": FUNCTIONS[name]
    for name in [
        "append",
        "compact",
        "deepCopy",
        "first",
        "fromJson",
        "has",
        "initial",
        "last",
        "merge",
        "mergeOverwrite",
        "prepend",
        "regexFind",
        "regexFindAll",
        "regexMatch",
        "regexReplaceAll",
        "regexReplaceAllLiteral",
        "regexSplit",
        "rest",
        "reverse",
        "slice",
        "toJson",
        "toPrettyJson",
        "toRawJson",
        "uniq",
        "without",
    ]
}
