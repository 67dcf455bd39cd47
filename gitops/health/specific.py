"""Specific rules: small data entries (`rules/*.yaml`) for kinds whose API says something that no convention does.

A file is a list of entries: `group` (with `*`), `source` (that API's own documentation) and `kinds`, from names
(separated by blanks, `*` for any) to lines `tests -> Word`. The first line whose tests hold decides; where none does,
the generic rule. `Word` is a health word, `generic`, or `none` (the kind has no health).

Tests are joined with ` & ` (and) and ` | ` (or, weaker); a `!` before a test negates it:

    Ready                     there is a condition of this type
    Ready=True                ... with this status; several statuses with commas
    Ready=False:Creating,New  ... and one of these reasons;  Ready:Creating  any status with the reason
    *=False                   any condition
    .status.phase             the field holds something (not null, false, 0, "" or empty)
    .status.phase=A,B         one of these texts (true and false for truth values); `A*` for a beginning
    .status.items[].health=A  any item of a list; `{}` any value of a mapping
    .status.a<.spec.b         smaller, as numbers (absent: 0; the right side may be a number); `<=` and `==` likewise
    .status.a!=.status.b      the values at the two paths (or of an annotation, `@name`) are not the same
    mixed .status.a[].b       the values at the path are not all the same
    @name=value               an annotation;  %name=value  a label
    behind                    status.observedGeneration is smaller than metadata.generation
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from gitops.health.reading import conditions, metadata, section
from gitops.model.health import ORDER, Health
from gitops.model.objects import Object

Test = Callable[[Object], bool]
_MAX_VALUES = 1024
_COMPARISON = re.compile(r"^(\.[^<=]+)(<=|<|==)(.+)$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a rule."""

    test: Test
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """All lines of a kind, and where they come from."""

    group: str
    kind: str
    source: str
    lines: tuple[Line, ...]

    def decide(self, obj: Object) -> str | None:
        """The word of the first line that holds; None where the generic rule is to decide."""
        for line in self.lines:
            if line.test(obj):
                return None if line.word == "generic" else line.word
        return None


def find(group: str, kind: str) -> Rule | None:
    """The rule of a kind: an exact group before one with `*`, an exact kind before `*`."""
    return _find(group, kind)


@lru_cache(maxsize=4096)
def _find(group: str, kind: str) -> Rule | None:
    exact, wild = _RULES
    for key in ((group, kind), (group, "*")):
        if key in exact:
            return exact[key]
    matches = [rule for rule in wild if fnmatchcase(group, rule.group) and rule.kind in (kind, "*")]
    return min(matches, key=lambda rule: rule.kind == "*", default=None)


def _rules() -> tuple[dict[tuple[str, str], Rule], tuple[Rule, ...]]:
    exact: dict[tuple[str, str], Rule] = {}
    wild: list[Rule] = []
    for rule in all_rules():
        if "*" in rule.group:
            wild.append(rule)
        else:
            exact[rule.group, rule.kind] = rule
    return exact, tuple(wild)


def all_rules() -> Iterator[Rule]:
    """Every specific rule, in the order of the files."""
    for file in sorted(files("gitops.health.rules").iterdir(), key=lambda path: path.name):
        if not file.name.endswith(".yaml"):
            continue
        for entry in yaml.load(file.read_bytes(), yaml.CSafeLoader):
            for names, lines in entry["kinds"].items():
                parsed = tuple(_line(text) for text in lines)
                for kind in names.split():
                    yield Rule(entry["group"], kind, entry["source"], parsed)


def assess_specific(obj: Object, group: str, kind: str) -> tuple[bool, Health | None]:
    """(whether a specific rule decided, its Health or None for "this kind has no health")."""
    rule = find(group, kind)
    word = rule.decide(obj) if rule else None
    if rule is None or word is None:
        return False, None
    if word == "none":
        return True, None
    return True, Health(word, _message(obj), f"{rule.group}/{rule.kind}")


def _message(obj: Object) -> str:
    """What the object itself says about its state: the first condition that is not True, else status.message."""
    told = [item for item in conditions(obj) if item.get("message")]
    for item in sorted(told, key=lambda item: item.get("status") == "True"):
        return str(item["message"])
    status = section(obj, "status")
    return str(status.get("message") or status.get("reason") or status.get("phase") or "")


# --- reading the lines ---


def _line(text: str) -> Line:
    tests, _, word = text.rpartition("->")
    word = word.strip()
    if word not in (*ORDER, "generic", "none"):
        raise ValueError(f"The health rule {text!r} ends in no health word")
    tests = tests.strip()
    either = [_all([_test(part.strip()) for part in side.split(" & ")]) for side in tests.split(" | ")] if tests else []
    if not either:
        return Line(lambda obj: True, word, text)
    test = either[0] if len(either) == 1 else (lambda obj: any(one(obj) for one in either))
    return Line(test, word, text)


def _all(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda obj: all(test(obj) for test in tests)


def _test(text: str) -> Test:  # noqa: PLR0911 - one form each
    if text.startswith("!") and not text.startswith("!="):
        inner = _test(text[1:])
        return lambda obj: not inner(obj)
    if text == "behind":
        return _all(
            [_field_test(".status.observedGeneration"), _test(".status.observedGeneration<.metadata.generation")]
        )
    if text.startswith("mixed "):
        path = _path(text.removeprefix("mixed "))
        return lambda obj: len({_shown(value) for value in _values(obj, path)}) > 1
    if "!=" in text:
        return _difference_test(*text.split("!=", 1))
    if text[0] in "@%":
        return _mark_test("annotations" if text[0] == "@" else "labels", text[1:])
    if text[0] == ".":
        comparison = _COMPARISON.match(text)
        return _number_test(*comparison.groups()) if comparison else _field_test(text)
    return _condition_test(text)


def _condition_test(text: str) -> Test:
    rest, _, reason_text = text.partition(":")
    kind, _, state_text = rest.partition("=")
    states, reasons = frozenset(filter(None, state_text.split(","))), frozenset(filter(None, reason_text.split(",")))

    def test(obj: Object) -> bool:
        return any(
            (kind == "*" or item.get("type") == kind)
            and (not states or str(item.get("status")).capitalize() in states)
            and (not reasons or item.get("reason") in reasons)
            for item in conditions(obj)
        )

    return test


def _mark_test(where: str, text: str) -> Test:
    name, _, wanted = text.partition("=")
    values = frozenset(filter(None, wanted.split(",")))

    def test(obj: Object) -> bool:
        marks = section(metadata(obj), where)
        return name in marks and (not values or str(marks[name]).lower() in values)

    return test


def _field_test(text: str) -> Test:
    path_text, equals, wanted = text.partition("=")
    path = _path(path_text)
    if not equals:
        return lambda obj: any(value not in (None, False, 0, "", [], {}) for value in _values(obj, path))
    options = wanted.split(",")
    exact = frozenset(option for option in options if not option.endswith("*"))
    beginnings = tuple(option[:-1] for option in options if option.endswith("*"))

    def test(obj: Object) -> bool:
        return any(
            (shown := _shown(value)) in exact or (bool(beginnings) and shown.startswith(beginnings))
            for value in _values(obj, path)
        )

    return test


def _difference_test(left: str, right: str) -> Test:
    left_path = _path(left)
    right_path = ("metadata", "annotations", right[1:]) if right.startswith("@") else _path(right)

    def test(obj: Object) -> bool:
        return [_shown(value) for value in _values(obj, left_path)] != [
            _shown(value) for value in _values(obj, right_path)
        ]

    return test


def _number_test(left: str, sign: str, right: str) -> Test:
    left_path = _path(left)
    fixed = None if right.startswith(".") else float(right)
    right_path = _path(right) if fixed is None else ()

    def test(obj: Object) -> bool:
        a, b = _number(obj, left_path), fixed if fixed is not None else _number(obj, right_path)
        return a < b if sign == "<" else a <= b if sign == "<=" else a == b

    return test


def _path(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\[\]|\{\}|[^.\[\]{}]+", text))


def _values(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """All values at a path."""
    if not path:
        yield value
        return
    name, rest = path[0], path[1:]
    if name == "[]":
        for item in value[:_MAX_VALUES] if isinstance(value, list) else ():
            yield from _values(item, rest)
    elif name == "{}":
        for item in list(value.values())[:_MAX_VALUES] if isinstance(value, dict) else ():
            yield from _values(item, rest)
    elif isinstance(value, dict) and name in value:
        yield from _values(value[name], rest)


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _number(obj: Object, path: tuple[str, ...]) -> float:
    """A number at a path; several are added up; what is no number counts 0."""
    total = 0.0
    for value in _values(obj, path):
        if isinstance(value, (int, float)):
            total += value
        elif isinstance(value, str) and len(value) < 16 and value.isdecimal():
            total += int(value)
    return total


#: Read once, when the room is imported, so that no assessment pays for it.
_RULES = _rules()
