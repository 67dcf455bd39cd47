"""The small parts: globs, the build environment, merge patches, --set, kustomize edit, remote URLs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.source.render import kustomize_edit
from gitops.source.render.buildenv import substitute
from gitops.source.render.errors import Refused, WrongSpec
from gitops.source.render.globs import compile_glob, matches
from gitops.source.render.helm_set import Int, SetError, parse_into
from gitops.source.render.kustomize_files import split_remote
from gitops.source.render.overrides import merge_patch


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.yaml", "a.yaml", True),
        ("*.yaml", "sub/a.yaml", True),  # of include and exclude, a star crosses folders
        ("{a,b}.yaml", "b.yaml", True),
        ("{a,b/**}", "b/c/d.yaml", True),
        ("**/*.json", "x/a.json", True),
        ("[ab].yaml", "c.yaml", False),
        ("[!ab].yaml", "c.yaml", True),
        (r"a\*.yaml", "a*.yaml", True),
        ("a.yaml", "axyaml", False),
        ("?.yaml", "é.yaml", True),
    ],
)
def test_include_and_exclude(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("envs/*.yaml", "envs/a.yaml", True),
        ("envs/*.yaml", "envs/b/a.yaml", False),
        ("envs/**/*.yaml", "envs/a.yaml", True),
        ("envs/**/*.yaml", "envs/b/c/a.yaml", True),
        ("envs/**", "envs/b/a.yaml", True),
    ],
)
def test_value_files(pattern: str, path: str, expected: bool) -> None:
    assert (compile_glob(pattern, separators=True).fullmatch(path) is not None) is expected


@pytest.mark.parametrize("pattern", ["{a", "[a", "[z-a]"])
def test_globs_that_cannot_be_read(pattern: str) -> None:
    with pytest.raises(WrongSpec):
        matches(pattern, "a")


def test_build_environment() -> None:
    env = {"A": "1", "B_2": "$A"}
    assert substitute("$A ${B_2} $$A ${NONE}$NONE. $", env) == "1 $A $A . $"


def test_merge_patch() -> None:
    target = {"helm": {"values": "a", "parameters": [1]}, "path": "p"}
    patch = {"helm": {"values": None, "parameters": [2]}, "directory": {"recurse": True}}
    assert merge_patch(target, patch) == {"helm": {"parameters": [2]}, "path": "p", "directory": {"recurse": True}}


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        ("a=1,b.c=x", {}, {"a": 1, "b": {"c": "x"}}),
        ("a[1].b=2", {"a": [{"b": 0}, {"c": 1}]}, {"a": [{"b": 0}, {"b": 2, "c": 1}]}),
        ("a={x,2}", {"a": [1]}, {"a": ["x", 2]}),
        ("a={}", {}, {"a": [""]}),
        (r"a\.b=c\,d", {}, {"a.b": "c,d"}),
        ("a=true,b=null,c=007,d=0,e=1e3,f=", {}, {"a": True, "b": None, "c": "007", "d": 0, "e": "1e3", "f": ""}),
        ("a[0][1]=x", {}, {"a": [[None, "x"]]}),
    ],
)
def test_set(expression: str, start: dict[str, Any], expected: dict[str, Any]) -> None:
    parse_into(expression, start)
    assert start == expected


@pytest.mark.parametrize("expression", ["a", "a[b]=1", "a[-1]=1", "a[70000]=1", "a={x", ".".join("a" * 40) + "=1"])
def test_set_that_cannot_be_read(expression: str) -> None:
    with pytest.raises(SetError):
        parse_into(expression, {})


def test_numbers_of_set_are_told_apart() -> None:
    values: dict[str, Any] = {"b": 1}
    parse_into("a=1", values)
    assert isinstance(values["a"], Int)
    assert not isinstance(values["b"], Int)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab.,=[]{}\\01 \n", max_size=40))
def test_no_expression_does_anything_but_set_values_or_a_set_error(expression: str) -> None:
    try:
        parse_into(expression, {"a": {"b": [1, {"a": 2}]}, "b": [[1]]})
    except SetError:
        return


SPEC = st.fixed_dictionaries(
    {},
    optional={
        "namePrefix": st.text(max_size=5),
        "images": st.lists(st.text(alphabet="ab:@=*/.1", max_size=12), max_size=3),
        "replicas": st.lists(
            st.fixed_dictionaries({"name": st.text(max_size=3), "count": st.integers() | st.text(max_size=3)})
        ),
        "commonLabels": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        "labelWithoutSelector": st.booleans(),
        "labelIncludeTemplates": st.booleans(),
        "commonAnnotations": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    },
)


@settings(max_examples=300, deadline=None)
@given(SPEC)
def test_no_kustomize_spec_does_anything_but_edit_or_refuse(spec: dict[str, Any]) -> None:
    kustomization: dict[str, Any] = {"images": [{"name": "a", "newTag": "1"}], "labels": [{"pairs": {"a": "b"}}]}
    try:
        kustomize_edit.edit(kustomization, spec, {})
    except (Refused, WrongSpec):
        return


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://git.example.com/org/repo.git//base?ref=v1", ("https://git.example.com/org/repo.git", "base", "v1")),
        ("https://github.com/org/repo//a/b", ("https://github.com/org/repo", "a/b", "")),
        ("https://github.com/org/repo/a/b?ref=main", ("https://github.com/org/repo", "a/b", "main")),
        ("github.com/org/repo/a?ref=x&timeout=5", ("https://github.com/org/repo", "a", "x")),
        ("git@github.com:org/repo.git//base", ("git@github.com:org/repo.git", "base", "")),
        ("git@github.com:org/repo.git/base?version=v2", ("git@github.com:org/repo.git", "base", "v2")),
        ("ssh://git@host:2222/org/repo.git//x", ("ssh://git@host:2222/org/repo.git", "x", "")),
        ("git::https://host/repo.git", ("https://host/repo.git", ".", "")),
    ],
)
def test_remote_bases(url: str, expected: tuple[str, str, str]) -> None:
    assert split_remote(url) == expected
