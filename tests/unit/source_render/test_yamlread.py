"""Reading YAML: documents, encodings, bounds, and where errors are."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.source.render.yamlread import Bounds, YamlError, documents, load


def test_documents_are_numbered_and_empty_ones_passed_over() -> None:
    found = list(documents(b"---\na: 1\n---\n# only a comment\n---\n\n--- # named\nb: 2\n"))
    assert [(d.value, d.number, d.line) for d in found] == [({"a": 1}, 1, 1), ({"b": 2}, 3, 7)]


def test_an_error_names_the_document_and_the_line_in_the_file() -> None:
    reading = documents(b"a: 1\n---\nb: 2\nc: [\n")
    assert next(reading).value == {"a": 1}
    with pytest.raises(YamlError) as caught:
        next(reading)
    assert (caught.value.document, caught.value.line) == (2, 5)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
def test_encodings(encoding: str) -> None:
    data = "a: é\n".encode(encoding)
    if encoding == "utf-16-le":
        data = b"\xff\xfe" + data
    if encoding == "utf-16-be":
        data = b"\xfe\xff" + data
    assert [d.value for d in documents(data)] == [{"a": "é"}]


def test_what_is_no_text() -> None:
    with pytest.raises(YamlError, match="not UTF-8"):
        list(documents(b"a: \xff\xfe\xfa"))


def test_bounds() -> None:
    with pytest.raises(YamlError, match="more than 3 levels"):
        load(b"[[[[]]]]", Bounds(depth=3))
    with pytest.raises(YamlError, match="more than 5 values"):
        load(b"[1, 2, 3, 4, 5, 6]", Bounds(nodes=5))


def test_aliases_give_copies() -> None:
    value = load(b"a: &x {b: [1]}\nc: *x\nd: {<<: *x}\n")
    value["c"]["b"].append(2)
    assert value["a"] == {"b": [1]}
    assert value["d"] == {"b": [1]}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | st.text(alphabet="{}[]&*!|>-:?,#'\"%@ \n\tab1.~<", max_size=200).map(str.encode))
def test_no_input_does_anything_but_give_values_or_a_yaml_error(data: bytes) -> None:
    try:
        values = [d.value for d in documents(data)]
    except YamlError as error:
        values = [error.line, error.problem]
    orjson.dumps(values)


#: Without control characters and Unicode's own line breaks, which YAML folds.
TEXT = st.text(st.characters(exclude_characters="\x85\u2028\u2029\x7f", exclude_categories=("Cs", "Cc")))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(TEXT, JSON, min_size=1, max_size=4))
def test_json_is_yaml(value: dict[str, object]) -> None:
    text = orjson.dumps(value)
    try:
        found = load(text)
    except YamlError:
        # YAML has no place for some control characters; a key may be too long for it.
        return
    assert _equal(found, value)


def _equal(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return a == b or (isinstance(a, int | float) and isinstance(b, float) and abs(a - b) <= abs(b) * 1e-15)
