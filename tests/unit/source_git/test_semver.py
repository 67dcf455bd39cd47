"""Versions and constraints as Masterminds/semver reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.source.semver import parse_constraint, parse_version

FITS = [
    # constraint, versions that fit, versions that do not
    ("1.2.3", ["1.2.3", "v1.2.3", "1.2.3+build"], ["1.2.4", "1.2.3-rc.1"]),
    ("=1.2.3", ["1.2.3"], ["1.2.2"]),
    ("1.2", ["1.2.0", "1.2.9"], ["1.3.0", "1.1.9", "1.2.0-rc.1"]),
    ("1", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.0"]),
    ("v1.2.x", ["1.2.7"], ["1.3.0"]),
    ("1.X", ["1.0.0", "1.5.1"], ["2.0.0"]),
    ("*", ["0.0.1", "9.9.9"], ["1.0.0-alpha"]),
    ("x", ["3.1.4"], ["3.1.4-beta"]),
    ("", ["1.0.0"], ["1.0.0-rc.1"]),
    (" ", ["1.0.0"], []),
    ("*-0", ["1.0.0", "1.0.0-rc.1"], []),
    ("^1.2.3", ["1.2.3", "1.9.0"], ["1.2.2", "2.0.0", "1.5.0-rc.1"]),
    ("^1.2", ["1.2.0", "1.9.9"], ["1.1.9", "2.0.0"]),
    ("^1", ["1.0.0", "1.9.9"], ["2.0.0"]),
    ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2", "1.0.0"]),
    ("^0.2", ["0.2.0", "0.2.9"], ["0.3.0"]),
    ("^0.0.3", ["0.0.3"], ["0.0.4", "0.1.3", "1.0.3"]),
    ("^0.0", ["0.0.0", "0.0.9"], ["0.1.0"]),
    ("^0", ["0.0.0", "0.9.9"], ["1.0.0"]),
    ("^1.2.3-beta.2", ["1.2.3-beta.2", "1.2.3-beta.10", "1.2.3", "1.9.0"], ["1.2.3-beta.1", "2.0.0"]),
    ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3.0", "1.2.2"]),
    ("~1.2", ["1.2.0", "1.2.9"], ["1.3.0"]),
    ("~1", ["1.0.0", "1.9.0"], ["2.0.0"]),
    ("~>1.2.3", ["1.2.4"], ["1.3.0"]),
    ("~0.0.0", ["0.0.0", "7.0.0"], []),
    ("~*", ["5.0.0"], []),
    (">1.2.3", ["1.2.4", "2.0.0"], ["1.2.3", "1.0.0"]),
    (">11", ["12.0.0"], ["11.1.0", "11.0.0"]),
    (">11.1", ["11.2.0", "12.0.0"], ["11.1.1"]),
    (">=1.2", ["1.2.0", "1.2.1", "2.0.0"], ["1.1.9"]),
    ("=>1.2", ["1.2.0"], ["1.1.0"]),
    ("<1.2", ["1.1.9", "0.1.0"], ["1.2.0", "1.2.1"]),
    ("<=1.2", ["1.2.0", "1.2.9", "0.9.0"], ["1.3.0", "2.0.0"]),
    ("<=1", ["1.9.9", "0.1.0"], ["2.0.0"]),
    ("=<1.2.3", ["1.2.3"], ["1.2.4"]),
    ("!=1.2.3", ["1.2.4", "1.2.2"], ["1.2.3"]),
    ("!=1.2.x", ["1.3.0", "2.2.0"], ["1.2.0", "1.2.5"]),
    ("!=1", ["2.0.0"], ["1.0.0", "1.5.0"]),
    (">=1.0.0 <2.0.0", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.0"]),
    (">=1.0.0, <2.0.0, !=1.5.0", ["1.4.0"], ["1.5.0"]),
    (">= 1.0 , < 1.5", ["1.4.9"], ["1.5.0"]),
    ("1.2 - 1.4.5", ["1.2.0", "1.4.5"], ["1.4.6", "1.1.9"]),
    ("1.2 - 1.4", ["1.4.9"], ["1.5.0"]),
    ("1.0.0 - 2.0.0 || 3.x", ["1.5.0", "3.7.0"], ["2.0.1", "4.0.0"]),
    ("^1.0 || ^3.0", ["1.1.0", "3.1.0"], ["2.0.0"]),
    (">=1.0.0-0", ["1.0.0-alpha", "1.0.0", "2.0.0-rc.1"], ["0.9.0"]),
    (">=1.0.0-0 <2.0.0", ["1.5.0-rc.1", "1.5.0"], ["2.0.0"]),
    ("<2.0.0-beta", ["1.0.0", "2.0.0-alpha", "1.0.0-x"], ["2.0.0-beta", "2.0.0"]),
    (">1.0.0-alpha.2", ["1.0.0-alpha.10", "1.0.0-beta", "1.0.0"], ["1.0.0-alpha.2", "1.0.0-alpha.1"]),
]


@pytest.mark.parametrize(("text", "fits", "differs"), FITS, ids=[row[0] or "empty" for row in FITS])
def test_constraint(text: str, fits: list[str], differs: list[str]) -> None:
    constraint = parse_constraint(text)
    assert constraint is not None
    answers = {v: constraint.check(parse_version(v)) for v in fits + differs}
    assert answers == {**dict.fromkeys(fits, True), **dict.fromkeys(differs, False)}


@pytest.mark.parametrize(
    "text", ["main", "HEAD", "feature/1.x", "1.2.3.4", ">", "^", "1.2 main", "a - b", ">=1.0,,<2", "v", "release-1.2"]
)
def test_no_constraint(text: str) -> None:
    assert parse_constraint(text) is None


@pytest.mark.parametrize("text", ["main", "1.2.3.4", "1.2.3-01", "", "v", "1.x", "=1.0.0", "1.0.0-"])
def test_no_version(text: str) -> None:
    assert parse_version(text) is None


def test_precedence() -> None:
    ascending = (
        "1.0.0-1 1.0.0-2 1.0.0-10 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta "
        "1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1 1.1.0 2.0.0 10.0.0"
    )
    versions = [parse_version(v) for v in ascending.split()]
    assert all(v is not None for v in versions)
    assert sorted(versions, reverse=True) == list(reversed(versions))


def test_highest_keeps_what_was_written() -> None:
    constraint = parse_constraint("^1")
    assert constraint.highest(["v1.2.0", "v1.10.0", "2.0.0", "latest", "v1.11.0-rc.1"]) == "v1.10.0"
    assert constraint.highest(["latest"]) is None


@given(st.text(alphabet="0123456789.xX*^~<>=!|, -vabc+", max_size=40))
def test_any_text_is_a_constraint_or_none(text: str) -> None:
    constraint = parse_constraint(text)
    assert constraint is None or constraint.check(parse_version("1.2.3")) in (True, False)
