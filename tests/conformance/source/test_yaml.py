"""YAML is read as kubectl reads it: kubectl itself is the reference, value by value."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitops.source.render import yamlread

HEAD = "apiVersion: example.com/v1\nkind: Foo\nmetadata:\n  name: x\n  annotations: {a: b}\n"

#: Plain scalars.
SCALARS = [
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "Yes",
    "YES",
    "True",
    "TRUE",
    "true",
    "false",
    "False",
    "N",
    "~",
    "null",
    "NULL",
    "Null",
    "nULL",
    "0644",
    "0o644",
    "0O17",
    "08",
    "09",
    "0x1F",
    "0X1f",
    "0b101",
    "-0b11",
    "+0b1",
    "1_000",
    "_1",
    "1__0",
    "1e3",
    "1E3",
    "1.0",
    "1.5",
    ".5",
    "-.5",
    "+.5",
    ".",
    "..",
    "1.",
    "+1",
    "-1",
    "+0",
    "-0",
    "0",
    "00",
    "1e400",
    "1e20",
    "1e21",
    "1.5e-7",
    "123456789012345678901",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "2001-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "2001-1-1",
    "12:30:45",
    "190:20:30",
    ".5e3",
    ".e",
    "0.1",
    "0_1",
    "0x_1",
    "0b",
    "0x",
    "0o",
    "1e",
    "1e+",
    "e1",
    "1e+5",
    "1e-5",
    "5e-324",
    "0777",
    "-0777",
    "0o8",
    "=",
    "<<a",
    "1,000",
    "1.2.3",
    ".1.2",
    "-.5e1",
    "+",
    "+-",
    "0xFFFFFFFFFFFFFFFF",
    "0x8000000000000000",
    "-0x8000000000000000",
    "1_0.5",
    "1.5_5",
    "._5",
    "1e15",
    "1e16",
    "4.20",
    "0.30",
    "1.10",
    "1152921504606846976.0",
    "9007199254740993.0",
]

#: Values in every other form; some are errors, for kubectl as for us.
VALUES = [
    ".inf", "-.Inf", ".nan", "!!str 1", "!!str yes", "!!int 5", "!!int '5'", "!!int 0x1F", "!!float 1", "!!float 1.5",
    "!!bool yes", "!!bool x", "!!null ''", "!!binary aGVsbG8=", "!!binary ???", "!foo bar", "!!timestamp 2001-01-01",
    "'yes'", '"0644"', "[a, yes, 1e3]", "{yes: no, 1: 2, 1.5: 3, 0644: 4}", "{~: 1}", "{? [a] : 1}", "{? {a: 1} : 1}",
    "&a x", "*q", "{a: &x {b: 1}, c: *x, d: {<<: *x, e: 2}}", "{b: 0, <<: {b: 1}}", "{<<: {b: 1}, b: 0}",
    "{<<: [{a: 1}, {a: 2, c: 3}]}", "{<<: x}", "{'<<': {b: 1}}", "{a: 1, a: 2}", "[&a 1, &a 2, *a]", "&a [*a]",
    "|\n    line\n    two\n", "|-\n    x", "|+\n    x\n\n", ">\n    fold\n    ed\n", "'it''s'", '"\\u00e9\\x41\\n"',
    '"\\q"', "# c", "a: b", "a #b", "a#b", "@a", "`a", "%a", "{a}", "[a,,b]", "{a: }", "? a", "- x", "-x",
    "!<tag:yaml.org,2002:str> 1", "{1e6: a}", "{1.1e7: a}", "{.5: a}", "{18446744073709551615: a}", "{2001-01-01: a}",
    "{123456789.5: a}", "{1e-5: a}", "{y: 1, n: 2}", "[[[]]]", "{a: {b: {c: [1, {d: e}]}}}",
]  # fmt: skip

TAILS = [
    "a: |\n ---\n b\n", "a:\tb\n", "a: b\r\nc: d\r\n", "k: >-\n  a\n   b\n\n  c\n", "a: 1\n...\nb: 2\n", "a: \x07\n",
    "spec: {a: b\n", "a: b: c\n", "\ta: b\n", "--- b\n", "a: 'x\n\n  y'\n", "---\n# nothing\n---\n",
]  # fmt: skip


def kubectl(text: str) -> Any:
    """What kubectl makes of one object; "error" where it refuses."""
    binary = Path(sys.prefix) / "bin" / "kubectl"
    command = [str(binary) if binary.exists() else str(shutil.which("kubectl"))]
    command += ["annotate", "--local", "--overwrite", "-f", "-", "-o", "json", "a=b"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else "error"


def ours(text: str) -> Any:
    try:
        found = [document.value for document in yamlread.documents(text.encode())]
    except yamlread.YamlError:
        return "error"
    assert len(found) == 1
    return json.loads(json.dumps(found[0]))


def exact(value: Any) -> str:
    """Equal texts mean equal values and types; kubectl writes whole floats beyond 64 bits without exponent."""
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 63:
        value = float(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{exact(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(exact, value)) + "]"
    return repr(value)


def test_scalars() -> None:
    text = HEAD + "spec:\n" + "".join(f"  k{i}: {scalar}\n" for i, scalar in enumerate(SCALARS))
    expected, found = kubectl(text)["spec"], ours(text)["spec"]
    wrong = {
        scalar: (expected[f"k{i}"], found[f"k{i}"])
        for i, scalar in enumerate(SCALARS)
        if exact(expected[f"k{i}"]) != exact(found[f"k{i}"])
    }
    assert wrong == {}


@pytest.mark.parametrize("value", VALUES)
def test_values(value: str) -> None:
    text = f"{HEAD}spec:\n  v: {value}\n"
    assert exact(ours(text)) == exact(kubectl(text))


@pytest.mark.parametrize("tail", TAILS)
def test_documents(tail: str) -> None:
    assert exact(ours(HEAD + tail)) == exact(kubectl(HEAD + tail))
