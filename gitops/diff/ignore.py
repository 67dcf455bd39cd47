"""What does not count as a difference: `spec.ignoreDifferences`, and argocd-cm for all (specs section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import yaml

from gitops.diff.edit import without, without_pointer
from gitops.diff.jq_process import JqProcess, JqTimeout
from gitops.diff.managed import item_leaves, owned_sets
from gitops.diff.normalise import DEFAULT_SETTINGS, CompareSettings
from gitops.diff.types import Type, builtin
from gitops.errors import ComparisonError, InvalidSpecError
from gitops.model.application import IgnoreDifference
from gitops.model.objects import Object, ObjectKey, key_of

JQ_SECONDS = 1.0
_PREFIX = "resource.customizations"
_JQ = JqProcess()


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry. Group and kind are globs; an empty name or namespace matches every one."""

    kind: str
    group: str = ""
    name: str = ""
    namespace: str = ""
    json_pointers: tuple[str, ...] = ()
    jq_path_expressions: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()

    def matches(self, key: ObjectKey) -> bool:
        return (
            fnmatchcase(key.kind, self.kind)
            and fnmatchcase(key.group, self.group)
            and self.name in ("", key.name)
            and self.namespace in ("", key.namespace)
        )


@dataclass(frozen=True, slots=True)
class Matching:
    """The rules that apply to one object."""

    rules: tuple[Rule, ...]
    jq_seconds: float = JQ_SECONDS

    def __bool__(self) -> bool:
        return bool(self.rules)

    def apply(self, obj: Object, live: Object) -> Object:
        """The object without the ignored fields. `live` is the object as the server has it, with managedFields.

        Raises ComparisonError for a jq expression that is wrong or takes too long.
        """
        for rule in self.rules:
            for pointer in rule.json_pointers:
                obj = without_pointer(obj, pointer)
            if rule.managers:
                for field_set in owned_sets(live, frozenset(rule.managers), applied_only=False):
                    for path in item_leaves(field_set, live):
                        if path[:2] not in (("metadata", "name"), ("metadata", "namespace")):
                            obj = without(obj, path)
            for expression in rule.jq_path_expressions:
                obj = self._jq(expression, obj)
        return obj

    def _jq(self, expression: str, obj: Object) -> Object:
        try:
            kind, answer = _JQ.run(f"del({expression})", obj, self.jq_seconds)
        except JqTimeout:
            raise ComparisonError(
                f"jqPathExpressions entry {expression!r} did not end within {self.jq_seconds:g} s "
                f"on {key_of(obj)}; simplify it"
            ) from None
        if kind == "compile":
            raise ComparisonError(f"jqPathExpressions entry {expression!r} is not a jq path: {answer}")
        if kind == "ok" and len(answer) == 1 and isinstance(answer[0], dict):
            made: Object = answer[0]
            return made
        # The expression does not fit this object (e.g. iterates over what it has not): nothing to ignore.
        return obj


@dataclass(frozen=True)
class IgnoreRules:
    """Everything that is not to count, for one application."""

    rules: tuple[Rule, ...] = ()
    settings: CompareSettings = DEFAULT_SETTINGS
    #: (group glob, kind glob, ((field, type), ...)).
    known_types: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
        ("argoproj.io", "Rollout", (("spec.template.spec", "core/v1/PodSpec"),)),
    )
    jq_seconds: float = JQ_SECONDS
    _overlays: dict[tuple[str, str], Type | None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def build(cls, entries: Iterable[IgnoreDifference] = (), config: Mapping[str, str] | None = None) -> IgnoreRules:
        """The rules of an application (`spec.ignoreDifferences`) and of the system (the data of argocd-cm).

        Raises InvalidSpecError naming the key of argocd-cm that cannot be read.
        """
        made = [
            Rule(
                group=entry.group,
                kind=entry.kind,
                name=entry.name,
                namespace=entry.namespace,
                json_pointers=tuple(entry.json_pointers),
                jq_path_expressions=tuple(entry.jq_path_expressions),
                managers=tuple(entry.managed_fields_managers),
            )
            for entry in entries
        ]
        system, settings, known = _system(tuple(sorted((config or {}).items())))
        return cls(
            rules=(*made, *system), settings=settings, known_types=(*cls.known_types, *known), jq_seconds=JQ_SECONDS
        )

    def for_object(self, obj: Object) -> Matching:
        """The rules that apply to one object."""
        if not self.rules:
            return _NONE
        key = key_of(obj)
        return Matching(tuple(rule for rule in self.rules if rule.matches(key)), self.jq_seconds)

    def overlay(self, obj: Object) -> Type | None:
        """What `knownTypeFields` says of an object's kind."""
        group, kind, _, _ = key_of(obj)
        if (group, kind) not in self._overlays:
            fields = [
                pair
                for g, k, pairs in self.known_types
                if fnmatchcase(group, g) and fnmatchcase(kind, k)
                for pair in pairs
            ]
            self._overlays[group, kind] = builtin().overlay(fields) if fields else None
        return self._overlays[group, kind]


_NONE = Matching(())
NO_RULES = IgnoreRules()
_KnownTypes = tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]


def _group_kind(key: str) -> tuple[str, str]:
    """`<group>_<kind>`, `<kind>` of the core group, or `all`; `*/*` is the old spelling of a glob."""
    if key in ("all", "*/*"):
        return "*", "*"
    group, _, kind = key.replace("/", "_").rpartition("_")
    return group, kind


def _load(key: str, text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise InvalidSpecError(f"argocd-cm key {key} is not YAML{where}; correct it") from None


@lru_cache(maxsize=8)
def _system(config: tuple[tuple[str, str], ...]) -> tuple[tuple[Rule, ...], CompareSettings, _KnownTypes]:
    rules: list[Rule] = []
    known: list[tuple[str, str, tuple[tuple[str, str], ...]]] = []
    settings = DEFAULT_SETTINGS

    def take(what: str, name: str, key: str, value: Any) -> None:
        group, kind = _group_kind(name)
        body = _load(key, value) or {}
        if what == "ignoreDifferences" and isinstance(body, dict):
            rules.append(
                Rule(
                    group=group,
                    kind=kind,
                    json_pointers=tuple(body.get("jsonPointers") or ()),
                    jq_path_expressions=tuple(body.get("jqPathExpressions") or ()),
                    managers=tuple(body.get("managedFieldsManagers") or ()),
                )
            )
        elif what == "knownTypeFields" and isinstance(body, list):
            known.append((group, kind, tuple((str(entry["field"]), str(entry["type"])) for entry in body)))
        else:
            raise InvalidSpecError(f"argocd-cm key {key} is not of the form that {what} has; correct it")

    for key, value in config:
        if key == "resource.compareoptions":
            options = _load(key, value) or {}
            settings = CompareSettings(
                str(_word(options.get("ignoreResourceStatusField", "all"))),
                options.get("ignoreAggregatedRoles") in (True, "true"),
            )
        elif key == _PREFIX:
            for name, parts in (_load(key, value) or {}).items():
                for what in ("ignoreDifferences", "knownTypeFields"):
                    if what in (parts or {}):
                        take(what, name, key, parts[what])
        elif match := re.fullmatch(r"resource\.customizations\.(ignoreDifferences|knownTypeFields)\.(.+)", key):
            take(match[1], match[2], key, value)
    return tuple(rules), settings, tuple(known)


def _word(value: Any) -> str:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else "all" if value is True else str(value)
