"""What is sent to a Git server, and what is made of any answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.source.git import wire

A, B, C = ("a" * 40, "b" * 40, "c" * 40)
SPECIAL = (wire.FLUSH, wire.DELIMITER)


def framed(*lines: bytes) -> bytes:
    return b"".join(line if line in SPECIAL else b"%04x%s" % (len(line) + 4, line) for line in lines)


def test_a_request_for_refs():
    assert wire.ask_for_refs(["refs/heads/main"]) == framed(
        b"command=ls-refs\n", b"agent=gitops-engine\n", b"object-format=sha1\n", wire.DELIMITER,
        b"peel\n", b"symrefs\n", b"ref-prefix refs/heads/main\n", wire.FLUSH,
    )  # fmt: skip


def test_a_request_for_a_commit():
    request = wire.ask_for_commit(A, [B, C], [C], 1)
    assert request.index(b"want " + A.encode()) < request.index(b"shallow " + C.encode())
    haves = (f"have {B}\n".encode(), f"have {C}\n".encode())
    assert request.endswith(framed(b"deepen 1\n", *haves, b"done\n", wire.FLUSH))


def test_refs_as_git_prints_them():
    answer = framed(
        f"{A} HEAD symref-target:refs/heads/main\n".encode(),
        f"{A} refs/heads/main\n".encode(),
        f"{B} refs/tags/v1 peeled:{A}\n".encode(),
        wire.FLUSH,
    )
    assert wire.read_refs(answer).decode().splitlines() == [
        "ref: refs/heads/main\tHEAD",
        f"{A}\tHEAD",
        f"{A}\trefs/heads/main",
        f"{B}\trefs/tags/v1",
        f"{A}\trefs/tags/v1^{{}}",
    ]


def test_a_pack_and_the_border_of_the_history():
    answer = framed(
        b"shallow-info\n", f"shallow {A}\n".encode(), f"unshallow {B}".encode(), wire.DELIMITER,
        b"packfile\n", b"\x02counting\n", b"\x01PA", b"\x01CK", wire.FLUSH,
    )  # fmt: skip
    assert wire.read_pack(answer) == wire.Pack(bytearray(b"PACK"), [A], [B])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"0000",
        b"004",
        b"0004",
        b"zzzzpackfile\n",
        framed(b"packfile\n", b"\x01PACK"),
        framed(b"packfile\n", b"\x03the disk is full", wire.FLUSH),
        framed(b"shallow-info\n", f"shallow {A}\n".encode(), wire.FLUSH),
        framed(b"ERR access denied", wire.FLUSH),
        framed(b"acknowledgments\n", b"NAK\n", wire.FLUSH),
        b"0008" + wire.FLUSH,
    ],
)
def test_answers_without_a_pack(answer):
    with pytest.raises(wire.Malformed):
        wire.read_pack(answer)


def lines() -> st.SearchStrategy[bytes]:
    said = st.sampled_from([b"packfile\n", b"shallow-info\n", b"\x01PACK", b"x y z\n", b" \n", b"\n"])
    line = st.one_of(st.sampled_from(SPECIAL), said, st.binary(min_size=1, max_size=40))
    return st.lists(line, max_size=8).map(lambda found: framed(*found))


@pytest.mark.parametrize("read", [wire.read_refs, wire.read_pack])
@given(answer=st.one_of(st.binary(max_size=300), lines()))
def test_any_answer_is_read_or_refused(read, answer):
    try:
        read(answer)
    except wire.Malformed:
        return
