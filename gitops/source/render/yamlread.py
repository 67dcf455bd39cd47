"""YAML as kubectl and the API server's clients read it, which is neither YAML 1.1 nor 1.2.

The rules are those of sigs.k8s.io/yaml over go.yaml.in/yaml/v2: `yes` and `on` are booleans, `0644` and `0o644` octal,
dates and sexagesimals strings, `1e3` the integer 1000, a repeated key's last value wins, `<<` merges. The parser is
libyaml's; its events are turned into values here, without recursion, so that nesting and aliases can be bounded before
they cost anything. tests/conformance/source/test_yaml.py compares with kubectl itself.
"""

from __future__ import annotations

import base64
import binascii
import copy
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

_TAG = "tag:yaml.org,2002:"
_INT64, _UINT64 = (-(1 << 63), (1 << 63) - 1), (1 << 64) - 1
#: json.Marshal writes larger floats with an exponent, which makes them floats again when read.
_EXPONENT_FROM = 1e21

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INT = re.compile(
    r"(?P<sign>[-+]?)(?:(?P<dec>0|[1-9][0-9]*)|0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+))"
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SEPARATOR = re.compile(rb"^---(.*)$", re.MULTILINE)


class YamlError(ValueError):
    """The text is no YAML, or more than its bounds allow. `line` counts from 1 in the whole file."""

    def __init__(self, problem: str, line: int, document: int = 1) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.document = document


@dataclass
class Bounds:
    """What all documents together may hold."""

    nodes: int = 2_000_000
    depth: int = 200


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its number and the line it starts at, both from 1."""

    value: Any
    number: int
    line: int


def text_of(data: bytes) -> bytes:
    """The file's content as UTF-8: UTF-16 with a byte order mark is accepted too. Raises YamlError."""
    try:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return data.decode("utf-16").encode()
        data = data.removeprefix(b"\xef\xbb\xbf")
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlError("it is not UTF-8 text", line) from None
    return data


def documents(data: bytes, bounds: Bounds | None = None) -> Iterator[Document]:
    """The documents of a stream that are not empty, in order.

    Separated as kubectl does, by lines of `---`. Raises YamlError when a document is reached that cannot be read.
    """
    bounds = bounds or Bounds()
    data = text_of(data)
    number, start, line = 0, 0, 1
    for found in (*_SEPARATOR.finditer(data), None):
        end, following = found.span() if found else (len(data), len(data))
        chunk = data[start:end]
        if chunk.strip():
            number += 1
            try:
                value = load(chunk, bounds)
            except YamlError as error:
                raise YamlError(error.problem, error.line + line - 1, number) from None
            if value is not None:
                yield Document(value, number, line)
        line += data.count(b"\n", start, following)
        start = following
        if found and found[1].strip() and not found[1].strip().startswith(b"#"):
            raise YamlError("a document separator is a line of --- alone", line, number + 1)


def load(text: bytes, bounds: Bounds | None = None) -> Any:
    """The first document of the text, None where there is none. Raises YamlError, its line counted in this text."""
    parser = CParser(text)
    try:
        return _Composer(bounds or Bounds()).compose(parser)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(str(error.problem or error.context), mark.line + 1 if mark else 1) from None
    except yaml.YAMLError as error:
        raise YamlError(str(getattr(error, "reason", "unreadable")), 1) from None
    finally:
        parser.dispose()


class _Merge:
    """The key `<<`."""


class _Frame:
    """A map or list that is being read."""

    __slots__ = ("anchor", "count", "items", "key", "keyed")

    def __init__(self, items: dict[str, Any] | list[Any], anchor: str | None, count: int) -> None:
        self.items = items
        self.anchor = anchor
        self.count = count
        self.key: Any = None
        self.keyed = False


class _Composer:
    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open: set[str] = set()
        self.count = 0
        self.aliased = 0

    def compose(self, parser: Any) -> Any:  # noqa: PLR0912  (flat on purpose: it runs for every value)
        """Read events up to the end of the first document."""
        stack: list[_Frame] = []
        get = parser.get_event
        limit = self.bounds.nodes
        while True:
            event = get()
            kind = type(event)
            if kind is ScalarEvent:
                self.count += 1
                value = self._scalar(event, stack)
                if event.anchor is not None:
                    self.anchors[event.anchor] = (value, 1)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self.count += 1
                if len(stack) >= self.bounds.depth:
                    raise YamlError(f"it is nested more than {self.bounds.depth} levels deep", _line(event))
                if event.anchor is not None:
                    self.open.add(event.anchor)
                stack.append(_Frame({} if kind is MappingStartEvent else [], event.anchor, self.count))
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                frame = stack.pop()
                value = frame.items
                if frame.anchor is not None:
                    self.open.discard(frame.anchor)
                    self.anchors[frame.anchor] = (value, self.count - frame.count + 1)
            elif kind is AliasEvent:
                value = self._alias(event)
            elif kind is StreamEndEvent:
                return None
            else:
                continue
            if self.count > limit:
                raise YamlError(f"it holds more than {limit} values", _line(event))
            if stack and type(stack[-1].items) is dict and not stack[-1].keyed:
                stack[-1].key = value if type(value) is str or value is _Merge else _key(value, event)
                stack[-1].keyed = True
                continue
            if type(value) is float or type(value) is int:
                value = _json_number(value, event)
            if not stack:
                return value
            frame = stack[-1]
            if type(frame.items) is list:
                frame.items.append(value)
            else:
                frame.keyed = False
                if frame.key is _Merge:
                    _merge(frame.items, value, event)
                else:
                    frame.items[frame.key] = value

    def _alias(self, event: Any) -> Any:
        if event.anchor in self.open:
            raise YamlError(f"anchor '{event.anchor}' value contains itself", _line(event))
        if event.anchor not in self.anchors:
            raise YamlError(f"unknown anchor '{event.anchor}' referenced", _line(event))
        value, size = self.anchors[event.anchor]
        self.count += size
        self.aliased += size
        if self.aliased > 100 and self.count > 1000 and self.aliased / self.count > _alias_ratio(self.count):
            raise YamlError("document contains excessive aliasing", _line(event))
        # A copy: objects are changed in place later, and nothing may change with them.
        return copy.deepcopy(value) if size > 1 else value

    def _scalar(self, event: Any, stack: list[_Frame]) -> Any:
        text: str = event.value
        tag = event.tag
        if tag is None:
            if not event.implicit[0]:
                return text
            if text == "<<" and stack and not stack[-1].keyed and type(stack[-1].items) is dict:
                return _Merge
            return plain(text)
        if tag == _TAG + "merge" and text == "<<":
            return _Merge
        return _tagged(tag, text, event)


def plain(text: str) -> Any:
    """The value of a plain (unquoted) scalar."""
    first = text[:1]
    if first not in "yYnNtTfFoO~.+-0123456789":
        return text
    if text in _WORDS:
        return _WORDS[text]
    if first == ".":
        return float(text) if _FLOAT.fullmatch(text) else text
    if first in "+-0123456789":
        value = _number(text.replace("_", ""))
        return text if value is None else value
    return text


def _number(text: str) -> int | float | None:
    found = _INT.fullmatch(text)
    if found:
        digits, base = next((found[g], b) for g, b in (("dec", 10), ("hex", 16), ("bin", 2), ("oct", 8)) if found[g])
        value = int(digits, base) if len(digits) < 100 else _UINT64 + 1
        if found["sign"] == "-":
            value = -value
        if _INT64[0] <= value <= _INT64[1] or (not found["sign"] and value <= _UINT64):
            return value
    if _FLOAT.fullmatch(text):
        number = float(text)
        return None if math.isinf(number) else number
    return None


def _json_number(value: int | float, event: Any) -> int | float:
    """What is left of a number after its way through JSON."""
    if type(value) is float:
        if not math.isfinite(value):
            raise YamlError("infinity and NaN are no values that JSON can hold", _line(event))
        if value.is_integer() and abs(value) < _EXPONENT_FROM:
            whole = _whole(value)
            return whole if _INT64[0] <= whole <= _INT64[1] else value
    elif not _INT64[0] <= value <= _INT64[1]:
        return float(value)
    return value


def _whole(value: float) -> int:
    """The integer that JSON has for a whole float: its shortest digits, filled up with zeros."""
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return int(value)
    whole, _, fraction = mantissa.partition(".")
    power: int = 10 ** (int(exponent) - len(fraction))
    return int(whole + fraction) * power


def _tagged(tag: str, text: str, event: Any) -> Any:
    short = tag.removeprefix(_TAG)
    if short == "binary":
        try:
            return base64.b64decode(text.replace("\n", ""), validate=True).decode("utf-8", "replace")
        except binascii.Error:
            raise YamlError("!!binary value contains invalid base64 data", _line(event)) from None
    if tag == short or short not in ("bool", "int", "float", "null", "timestamp"):
        return text
    value = plain(text)
    fits = {
        "bool": type(value) is bool,
        "int": type(value) is int,
        "float": type(value) in (int, float),
        "null": value is None,
        "timestamp": re.match(r"[0-9]{4}-", text) is not None,
    }[short]
    if not fits:
        raise YamlError(f"cannot decode a value as !!{short}", _line(event))
    return value


def _key(value: Any, event: Any) -> str:
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int and value <= _INT64[1]:
        return str(value)
    if type(value) is float:
        return _float_key(value)
    if type(value) is int:
        raise YamlError("a map's key is a number beyond 64 bits", _line(event))
    if value is None:
        raise YamlError("a map's key is null", _line(event))
    raise YamlError("a map's key is a map or a list", _line(event))


def _float_key(value: float) -> str:
    """strconv.FormatFloat(value, 'g', -1, 32)."""
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return ".inf" if value > 0 else "-.inf"
    digits = next(p for p in range(9) if float(f"{single:.{p}e}") == single or _same_single(f"{single:.{p}e}", single))
    mantissa, _, exponent = f"{single:.{digits}e}".partition("e")
    power = int(exponent)
    if not -4 <= power < 6:
        return f"{mantissa}e{power:+03d}"
    return f"{single:.{max(digits - power, 0)}f}"


def _same_single(text: str, single: float) -> bool:
    return bool(struct.unpack("f", struct.pack("f", float(text)))[0] == single)


def _merge(into: Any, value: Any, event: Any) -> None:
    parts = reversed(value) if type(value) is list else (value,)
    for part in parts:
        if type(part) is not dict:
            raise YamlError("map merge requires map or sequence of maps as the value", _line(event))
        into.update(copy.deepcopy(part) if type(value) is list else part)


def _alias_ratio(count: int) -> float:
    """How much of a document may come from aliases, as go-yaml has it."""
    low, high = 400_000, 4_000_000
    if count <= low:
        return 0.99
    return 0.10 if count >= high else 0.99 - 0.89 * ((count - low) / (high - low))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
