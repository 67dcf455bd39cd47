"""HTTP/1.1 framing: the same bytes mean the same, however the network cuts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.cluster.wire import ChunkDecoder, LineSplitter, parse_head
from gitops.errors import ClusterError


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


def test_a_head_gives_status_and_lower_case_headers() -> None:
    head = parse_head(b"HTTP/1.1 409 Conflict\r\nContent-Length: 12\r\nRetry-After: 3\r\nConnection: close")

    assert (head.status, head.length, head.chunked, head.keep_alive) == (409, 12, False, False)
    assert head.headers["retry-after"] == "3"


@pytest.mark.parametrize("junk", [b"SSH-2.0-OpenSSH_9.2", b"HTTP/1.1 abc", b"", b"\x15\x03\x01"])
def test_what_is_not_http_is_said_to_be_so(junk: bytes) -> None:
    with pytest.raises(ClusterError, match="does not speak HTTP"):
        parse_head(junk)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.lists(st.integers(0, 40), max_size=60))
def test_chunks_join_to_the_body_wherever_they_are_cut(chunks: list[bytes], sizes: list[int]) -> None:
    wire = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    decoder = ChunkDecoder()

    body = b"".join(decoder.feed(piece) for piece in cut(wire, sizes))

    assert body == b"".join(chunks)
    assert decoder.done


def test_chunk_extensions_and_trailers_are_skipped() -> None:
    decoder = ChunkDecoder()

    assert decoder.feed(b"3;name=value\r\nabc\r\n0\r\nTrailer: x\r\n\r\n") == b"abc"
    assert decoder.done


@pytest.mark.parametrize("broken", [b"zz\r\n", b"x" * 5000])
def test_broken_chunks_are_an_error(broken: bytes) -> None:
    with pytest.raises(ClusterError, match="broken chunked answer"):
        ChunkDecoder().feed(broken)


@given(
    st.lists(st.binary(min_size=1, max_size=50).filter(lambda line: b"\n" not in line), max_size=8),
    st.lists(st.integers(0, 20), max_size=40),
)
def test_lines_come_whole_wherever_they_are_cut(lines: list[bytes], sizes: list[int]) -> None:
    wire = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter(1000)

    assert [line for piece in cut(wire, sizes) for line in splitter.feed(piece)] == lines


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    splitter = LineSplitter(1000)
    splitter.feed(b"x" * 900)

    with pytest.raises(ClusterError, match="longer than 1000 bytes"):
        splitter.feed(b"x" * 200)
