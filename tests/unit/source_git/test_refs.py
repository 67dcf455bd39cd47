"""How a target revision is found among refs (specs section 8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.errors import RepositoryError, RevisionError
from gitops.source.git.refs import parse_refs

A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "abcdef0" + "d" * 33)
OUTPUT = f"""ref: refs/heads/trunk\tHEAD
{A}\tHEAD
{B}\trefs/heads/release
{A}\trefs/heads/trunk
{C}\trefs/heads/1.2
{D}\trefs/pull/7/head
{C}\trefs/tags/release
{B}\trefs/tags/v1.0.0
{C}\trefs/tags/v1.1.0
{D}\trefs/tags/v1.1.0^{{}}
{A}\trefs/tags/web-3.0.0
{B}\trefs/tags/web-3.1.0-rc.1
""".encode()
REFS = parse_refs("https://h/r", OUTPUT)


@pytest.mark.parametrize(
    ("revision", "prefix", "sha"),
    [
        ("", "", A), ("HEAD", "", A), ("trunk", "", A), ("refs/heads/trunk", "", A),
        ("release", "", B),  # branch and tag of one name: the first in the server's order
        ("refs/tags/release", "", C), ("v1.1.0", "", D),  # annotated: the commit, not the tag object
        ("1.2", "", C),  # a plain version is a name, not a range
        ("1.x", "", D), ("~1.0", "", B), ("*", "", D), (">=1.0.0 <1.1.0", "", B),
        ("^3", "web-", A), ("^3.1.0-0", "web-", B), ("^3", "", None), ("^1", "web-", None),
        ("refs/pull/7/head", "", D), ("pull/7/head", "", D),
        ("F" * 40, "", "f" * 40), ("abcdef0", "", D), ("1234567", "", "1234567"), ("123456", "", None),
        ("absent", "", None), ("refs/heads", "", None), ("heads/trunk", "", None), (" trunk ", "", A),
    ],
)  # fmt: skip
def test_resolve(revision, prefix, sha):
    assert REFS.resolve(revision, prefix) == sha


def test_ambiguous_abbreviation():
    refs = parse_refs("u", f"{'1234567a' + '0' * 32}\trefs/heads/a\n{'1234567b' + '0' * 32}\trefs/heads/b\n".encode())
    with pytest.raises(RevisionError, match="several commits"):
        refs.resolve("1234567")


def test_detached_head():
    assert parse_refs("u", f"{A}\tHEAD\n".encode()).resolve("") == A


def test_sentences():
    with pytest.raises(RevisionError, match=r"no tag that fits the version constraint '\^9'"):
        REFS.require("^9")
    with pytest.raises(RevisionError, match="unable to resolve 'absent'"):
        REFS.require("absent")


@given(st.binary(max_size=200))
def test_any_answer_is_read_or_refused(output):
    try:
        refs = parse_refs("u", output)
    except RepositoryError:
        return
    refs.resolve("main")
