"""Semantic versions and constraints as Masterminds/semver v3 reads them, which is what Helm and Argo CD use.

Prereleases are matched only by a group of constraints that names one (`>=1.2.3-0`), partial versions are ranges (`1.2`,
`1.x`), groups are joined by `||`, members by comma or space, `a - b` is a closed range.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import total_ordering

_IDENTIFIERS = r"[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*"
_VERSION = re.compile(rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?")
_PART = r"[0-9]+|[xX*]"
_PATTERN = (
    rf"v?(?:{_PART})(?:\.(?:{_PART}))?(?:\.(?:{_PART}))?(?:-{_IDENTIFIERS})?(?:\+{_IDENTIFIERS})?"  # what may follow
)
_OPERATOR = r"=>|=<|>=|<=|!=|~>|=|>|<|~|\^|"
_HYPHEN = re.compile(rf"\s*({_PATTERN})\s+-\s+({_PATTERN})\s*")
_MEMBER = re.compile(rf"({_OPERATOR})\s*({_PATTERN})")
_GROUP = re.compile(
    rf"\s*(?:{_OPERATOR})\s*(?:{_PATTERN})\s*(?:(?:\s+|,\s*)(?:{_OPERATOR})\s*(?:{_PATTERN})\s*)*"  # one or more
)
_SPLIT = re.compile(
    rf"v?({_PART})(?:\.({_PART}))?(?:\.({_PART}))?(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"  # as _PATTERN, in groups
)
#: Longer texts are no constraint that a person wrote, and regular expressions should not see them.
_LONGEST = 256


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version; ordered by precedence, build metadata ignored."""

    major: int
    minor: int
    patch: int
    prerelease: str = ""
    #: As it was written.
    original: str = field(default="", compare=False)

    @property
    def _key(self) -> tuple[object, ...]:
        # A release comes after its prereleases; numeric identifiers come before others and are compared as numbers.
        names = tuple(
            (0, int(name), "") if name.isdigit() else (1, 0, name) for name in self.prerelease.split(".") if name
        )
        return (self.major, self.minor, self.patch, not self.prerelease, names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key


def parse_version(text: str) -> Version | None:
    """The version that a text is (`1.2.3`, `v1.2`, `2`), None if it is none."""
    match = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
    if not match:
        return None
    major, minor, patch, prerelease, _ = match.groups()
    if prerelease and any(name.isdigit() and len(name) > 1 and name[0] == "0" for name in prerelease.split(".")):
        return None
    return Version(int(major), int(minor or 0), int(patch or 0), prerelease or "", text)


@dataclass(frozen=True, slots=True)
class _Member:
    """One comparison. `whole`, `minor`, `patch` tell which parts were left open."""

    operator: str
    base: Version
    open_any: bool
    open_minor: bool
    open_patch: bool

    def check(self, version: Version, prereleases: bool) -> bool:
        guarded = self.operator != "!=" or self.open_any
        if guarded and version.prerelease and not self.base.prerelease and not prereleases:
            return False
        return _CHECKS[self.operator](version, self)


@dataclass(frozen=True, slots=True)
class Constraint:
    """Groups of comparisons; a version fits if every member of one group does."""

    groups: tuple[tuple[_Member, ...], ...]

    def check(self, version: Version) -> bool:
        """Whether a version fits."""
        return any(
            all(member.check(version, any(m.base.prerelease for m in group)) for member in group)
            for group in self.groups
        )

    def highest(self, versions: Iterable[str]) -> str | None:
        """The highest of these texts that is a version and fits, as it was written."""
        fitting = [v for v in map(parse_version, versions) if v and self.check(v)]
        return max(fitting).original if fitting else None


def parse_constraint(text: str) -> Constraint | None:
    """The constraint that a text is ("" is `*`), None if it is none. A plain full version is a constraint too."""
    if len(text) > _LONGEST:
        return None
    text = _HYPHEN.sub(r">= \1, <= \2 ", text) if " - " in text else text
    groups: list[tuple[_Member, ...]] = []
    for part in text.split("||"):
        if not part.strip():
            groups.append((_member("", "*"),))
            continue
        if not _GROUP.fullmatch(part):
            return None
        groups.append(tuple(_member(m[1], m[2]) for m in _MEMBER.finditer(part)))
    return Constraint(tuple(groups))


def _member(operator: str, text: str) -> _Member:
    match = _SPLIT.fullmatch(text)
    assert match  # the group was matched with the same pattern
    major, minor, patch, prerelease = match.groups()
    open_major = not major.isdigit()
    open_minor = not open_major and not (minor or "x").isdigit()
    open_patch = not open_major and not open_minor and not (patch or "x").isdigit()
    base = Version(
        0 if open_major else int(major),
        0 if open_major or open_minor else int(minor),
        0 if open_major or open_minor or open_patch else int(patch),
        prerelease or "",
    )
    return _Member(operator, base, open_major or open_minor or open_patch, open_minor, open_patch)


def _equal(v: Version, m: _Member) -> bool:
    return _tilde(v, m) if m.open_any else v == m.base


def _not_equal(v: Version, m: _Member) -> bool:
    if not m.open_any:
        return v != m.base
    if v.major != m.base.major:
        return True
    if m.open_minor:
        return False
    if v.minor != m.base.minor:
        return True
    return m.open_patch and v.prerelease != m.base.prerelease


def _greater(v: Version, m: _Member) -> bool:
    if not m.open_any or v.major != m.base.major:
        return v > m.base if not m.open_any else v.major > m.base.major
    if m.open_minor:
        return False
    return v.minor > m.base.minor if m.open_patch else v > m.base


def _less_or_equal(v: Version, m: _Member) -> bool:
    if not m.open_any:
        return v <= m.base
    if v.major != m.base.major:
        return v.major < m.base.major
    return m.open_minor or v.minor <= m.base.minor


def _tilde(v: Version, m: _Member) -> bool:
    b = m.base
    if v < b:
        return False
    if (b.major, b.minor, b.patch) == (0, 0, 0) and not m.open_minor and not m.open_patch:
        return True
    return v.major == b.major and (m.open_minor or v.minor == b.minor)


def _caret(v: Version, m: _Member) -> bool:
    b = m.base
    if v < b or v.major != b.major:
        # `^*` is written by nobody and means nothing above major 0 to Masterminds/semver either.
        return False
    if b.major > 0 or m.open_minor:
        return True
    if b.minor > 0 or m.open_patch:
        return v.minor == b.minor
    return v.minor == 0 and v.patch == b.patch


_CHECKS: dict[str, Callable[[Version, _Member], bool]] = {
    "": _equal,
    "=": _equal,
    "!=": _not_equal,
    ">": _greater,
    "<": lambda v, m: v < m.base,
    ">=": lambda v, m: v >= m.base,
    "=>": lambda v, m: v >= m.base,
    "<=": _less_or_equal,
    "=<": _less_or_equal,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}
