"""The question that needs no request: is everything that the target names already so in live?

Sure answers are given only where the server's own rules leave no doubt; everything else is Verdict.ASK. Fields that
live has and the target does not name are no concern here (managed.py asks who owns them), but for lists, maps and
structs that a server-side apply replaces whole.
"""

from __future__ import annotations

from typing import Any

from gitops.diff.defaults import drops_zero, is_default
from gitops.diff.paths import Path, item_key, show
from gitops.diff.scalars import compare_scalars
from gitops.diff.types import Type
from gitops.diff.verdict import Verdict

#: At most so many paths are noted for one object.
LIMIT = 20
_ANY = Type("any")


class Findings:
    """What a walk found: the worst verdict and the paths behind it."""

    __slots__ = ("asked", "different")

    def __init__(self) -> None:
        self.different: list[Path] = []
        self.asked: list[Path] = []

    def add(self, verdict: Verdict, path: Path) -> None:
        noted = self.different if verdict is Verdict.DIFFERENT else self.asked
        if verdict is not Verdict.SAME and len(noted) < LIMIT and path not in noted:
            noted.append(path)

    @property
    def verdict(self) -> Verdict:
        if self.different:
            return Verdict.DIFFERENT
        return Verdict.ASK if self.asked else Verdict.SAME

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(show(path) for path in (self.different or self.asked))


class SubsetWalk:
    """One walk over a pair. `builtin`: the server decodes this kind into types that we know."""

    def __init__(self, findings: Findings, *, builtin: bool) -> None:
        self.findings = findings
        self.builtin = builtin

    def walk(self, target: Any, live: Any, kind: Type | None, path: Path, *, whole: bool = False) -> None:
        """Compare at `path`. `whole`: an apply replaces this part, so what live has beyond the target counts too."""
        if isinstance(target, dict) and isinstance(live, dict):
            self._mapping(target, live, kind or _ANY, path, whole or bool(kind and kind.atomic))
        elif isinstance(target, list) and isinstance(live, list):
            self._list(target, live, kind or _ANY, path, whole)
        elif isinstance(target, (dict, list)) or isinstance(live, (dict, list)):
            if live is None:
                self.absent(target, kind, path, nullish=True)
            else:
                same = self.builtin and target is None and not live
                self.findings.add(Verdict.SAME if same else Verdict.ASK, path)
        else:
            name = kind.kind if kind else "any"
            self.findings.add(compare_scalars(target, live, name, builtin=self.builtin), path)

    def _mapping(self, target: dict[str, Any], live: dict[str, Any], kind: Type, path: Path, whole: bool) -> None:
        for name, wanted in target.items():
            child = kind.child(name)
            if name in live:
                self.walk(wanted, live[name], child, (*path, name), whole=whole)
            else:
                self.absent(wanted, child, (*path, name), in_map=kind.kind == "map")
        if whole:
            for name, value in live.items():
                if name not in target and not is_default(name, value):
                    self.findings.add(Verdict.ASK, (*path, name))

    def absent(
        self, wanted: Any, kind: Type | None, path: Path, *, nullish: bool = False, in_map: bool = False
    ) -> None:
        """The target names a field that live lacks (or, `nullish`, has as null)."""
        name = str(path[-1])
        if wanted is None or (isinstance(wanted, dict) and wanted and _only_nulls(wanted)):
            verdict = Verdict.SAME if self.builtin and kind is not None else Verdict.ASK
        elif wanted in ({}, []) and self.builtin and (nullish or (kind is not None and kind.kind in ("map", "list"))):
            verdict = Verdict.SAME
        elif wanted in ({}, []):
            verdict = Verdict.ASK
        elif self.builtin and not wanted and drops_zero(name):
            verdict = Verdict.SAME
        elif (in_map and isinstance(wanted, str)) or (
            path[0] == "metadata" and len(path) == 2 and name in ("labels", "annotations")
        ):
            verdict = Verdict.DIFFERENT
        else:
            # Not sure: the server may drop the field, or its schema may not know it.
            verdict = Verdict.ASK
        self.findings.add(verdict, path)

    def _list(self, target: list[Any], live: list[Any], kind: Type, path: Path, whole: bool) -> None:
        if kind.keys and not whole:
            self._associative(target, live, kind, path)
        elif kind.set and not whole:
            missing = [value for value in target if value not in live]
            self.findings.add(Verdict.DIFFERENT if missing else Verdict.SAME, path)
        elif len(target) == len(live):
            for index, (wanted, value) in enumerate(zip(target, live, strict=True)):
                self.walk(wanted, value, kind.item, (*path, index), whole=True)
        elif kind.kind == "list" and self.builtin and target:
            self.findings.add(Verdict.DIFFERENT, path)
        else:
            # Of a custom resource it is not known whether the list merges or is replaced.
            surely = [value for value in target if not isinstance(value, (dict, list)) and value not in live]
            self.findings.add(Verdict.DIFFERENT if surely else Verdict.ASK, path)

    def _associative(self, target: list[Any], live: list[Any], kind: Type, path: Path) -> None:
        held: dict[Any, tuple[int, Any]] = {}
        for index, item in enumerate(live):
            held.setdefault(item_key(item, kind.keys), (index, item))
        last, seen = -1, set()
        for item in target:
            key = item_key(item, kind.keys)
            if key is None or key in seen:
                self.findings.add(Verdict.ASK, path)
                return
            seen.add(key)
            if key not in held:
                self.findings.add(Verdict.DIFFERENT, (*path, key))
                continue
            position, value = held[key]
            if position < last:
                self.findings.add(Verdict.ASK, path)
            last = max(last, position)
            defaulted = {name: value[name] for name, _ in key if name not in item and name in value}
            self.walk({**item, **defaulted} if defaulted else item, value, kind.item, (*path, key))


def _only_nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_only_nulls(inner) for inner in value.values())
    return value is None
