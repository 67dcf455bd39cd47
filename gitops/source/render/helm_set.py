"""`--set`, `--set-string` and `--set-file` as Helm's strvals parser reads them, into values that are there already.

The library that renders has such a parser too, but only into an empty map, where `list[1].name=x` forgets the list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_MAX_INDEX, _MAX_NESTING = 65_536, 30
_INT = re.compile(r"[+-]?[0-9]+")

Values = dict[str, Any]


class SetError(ValueError):
    """The expression cannot be read; says what is wrong with it."""


class Int(int):
    """A whole number given by --set: an int64 in templates, where numbers of values files are float64."""


def typed(text: str) -> Any:
    """The value of --set: booleans, null and whole numbers have their types."""
    lower = text.lower()
    if lower in ("true", "false"):
        return lower == "true"
    if lower == "null":
        return None
    if text == "0":
        return Int(0)
    if text[:1] != "0" and _INT.fullmatch(text) and -(1 << 63) <= int(text) < 1 << 63:
        return Int(text)
    return text


def parse_into(expression: str, values: Values, convert: Callable[[str], Any] = typed) -> None:
    """Put what `a.b=1,list[0].c={x,y}` says into `values`. `convert` makes a value of its text. Raises SetError."""
    _Parser(expression, convert).parse(values)


class _End(Exception):
    """The expression is read to its end."""


class _Parser:
    def __init__(self, text: str, convert: Callable[[str], Any]) -> None:
        self.text = text
        self.at = 0
        self.convert = convert

    def parse(self, values: Values) -> None:
        try:
            while True:
                self._key(values, 0)
        except _End:
            return

    def _until(self, stop: str) -> tuple[str, str]:
        """The text up to one of `stop`, a backslash quoting, and which it was; "" at the end."""
        out: list[str] = []
        while self.at < len(self.text):
            c = self.text[self.at]
            self.at += 1
            if c in stop:
                return "".join(out), c
            if c == "\\":
                if self.at == len(self.text):
                    break
                c = self.text[self.at]
                self.at += 1
            out.append(c)
        return "".join(out), ""

    def _key(self, data: Values, depth: int) -> None:
        key, last = self._until("=[,.")
        if not last:
            if not key:
                raise _End
            raise SetError(f'key "{key}" has no value')
        if last == "[":
            index = self._index()
            items = data.get(key, [])
            if not isinstance(items, list):
                raise SetError(f'key "{key}" is no list')
            _put(data, key, items)
            self._item(items, index, depth)
        elif last == "=":
            self._value(lambda value: _put(data, key, value))
        elif last == ",":
            _put(data, key, "")
            raise SetError(f'key "{key}" has no value (cannot end with ,)')
        else:
            self._inner(data, key, depth + 1)

    def _inner(self, data: Values, key: str, depth: int) -> None:
        if depth > _MAX_NESTING:
            raise SetError(f"the name has more than {_MAX_NESTING} levels")
        inner = data.get(key, {})
        if not isinstance(inner, dict):
            raise SetError(f'key "{key}" is no map')
        try:
            self._key(inner, depth)
        finally:
            if inner:
                _put(data, key, inner)
        if not inner:
            raise SetError(f'key map "{key}" has no value')

    def _index(self) -> int:
        text, last = self._until("]")
        if not last or not _INT.fullmatch(text):
            raise SetError("error parsing index")
        index = int(text)
        if not 0 <= index <= _MAX_INDEX:
            raise SetError(f"index {index} is negative, or above {_MAX_INDEX}")
        return index

    def _item(self, items: list[Any], index: int, depth: int) -> None:
        extra, last = self._until("[.=")
        if extra:
            raise SetError(f'unexpected data at end of array index: "{extra}"')
        if last == "=":
            self._value(lambda value: _put_at(items, index, value))
        elif last == "[":
            following = self._index()
            inner = items[index] if index < len(items) and items[index] is not None else []
            if not isinstance(inner, list):
                raise SetError(f"item {index} is no list")
            _put_at(items, index, inner)
            self._item(inner, following, depth)
        elif last == ".":
            entry = items[index] if index < len(items) else {}
            if not isinstance(entry, dict):
                entry = {}
            _put_at(items, index, entry)
            self._key(entry, depth)
        else:
            raise _End

    def _value(self, put: Callable[[Any], None]) -> None:
        if self.at >= len(self.text):
            put("")
            raise _End
        if self.text[self.at] == "{":
            self.at += 1
            put(self._list())
            return
        text, last = self._until(",")
        put(self.convert(text))
        if not last:
            raise _End

    def _list(self) -> list[Any]:
        items = []
        while True:
            text, last = self._until(",}")
            if not last:
                raise SetError("list must terminate with '}'")
            items.append(self.convert(text))
            if last == "}":
                if self.text[self.at : self.at + 1] == ",":
                    self.at += 1
                return items


def _put(data: Values, key: str, value: Any) -> None:
    if key:
        data[key] = value


def _put_at(items: list[Any], index: int, value: Any) -> None:
    items.extend([None] * (index + 1 - len(items)))
    items[index] = value
