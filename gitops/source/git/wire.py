"""Git's protocol, version 2, as far as a list of refs and the fetch of a commit need it: what is sent, what is read.

Its source is Git's own documentation, gitprotocol-v2 and gitprotocol-pack. Nothing here connects to anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

FLUSH, DELIMITER = b"0000", b"0001"
#: Bytes of the longest line, its length included.
_LONGEST = 65520
#: Lines that hold no data: flush, delimiter, and the end of an answer.
_SPECIAL = {b"0000", b"0001", b"0002"}
_AGENT = b"agent=gitops-engine\n"
_SHA1 = b"object-format=sha1\n"
_DATA, _PROGRESS = 1, 2


class Malformed(ValueError):
    """The answer is not what the protocol says."""


@dataclass(slots=True)
class Pack:
    """What a fetch brings: a pack, and how the border of what is here moves by it, in commits."""

    content: bytearray = field(default_factory=bytearray)
    shallow: list[str] = field(default_factory=list)
    unshallow: list[str] = field(default_factory=list)


def ask_for_refs(prefixes: Iterable[str] = ()) -> bytes:
    """A request for the refs whose full names begin so; of all where nothing is given."""
    wanted = [b"peel\n", b"symrefs\n", *(f"ref-prefix {prefix}\n".encode() for prefix in prefixes)]
    return _request(b"ls-refs", wanted)


def ask_for_commit(sha: str, haves: Iterable[str], shallow: Iterable[str], depth: int) -> bytes:
    """A request for one commit with `depth` commits of its history, less what is here.

    `haves` are commits that are here, `shallow` those of them whose parents are not.
    """
    wanted = ["thin-pack", "ofs-delta", "no-progress", f"want {sha}"]
    wanted += [f"shallow {commit}" for commit in shallow]
    wanted += [f"deepen {depth}", *(f"have {commit}" for commit in haves), "done"]
    return _request(b"fetch", [line.encode() + b"\n" for line in wanted])


def read_refs(answer: bytes) -> bytes:
    """The answer to `ask_for_refs`, as `git ls-remote --symref` prints it. Raises Malformed."""
    out: list[bytes] = []
    for line in _section(_lines(answer)):
        oid, *rest = line.removesuffix(b"\n").split(b" ")
        if b"\t" in line or b"\n" in line[:-1] or not rest or not rest[0]:
            raise Malformed("a ref has no proper name")
        name, *attributes = rest
        for attribute in attributes:
            if attribute.startswith(b"symref-target:"):
                out.append(b"ref: " + attribute.partition(b":")[2] + b"\t" + name)
        out.append(oid + b"\t" + name)
        out += (a.partition(b":")[2] + b"\t" + name + b"^{}" for a in attributes if a.startswith(b"peeled:"))
    return b"".join(line + b"\n" for line in out)


def read_pack(answer: bytes) -> Pack:
    """The answer to `ask_for_commit`. Raises Malformed, also for what the server has to say against it."""
    pack, lines = Pack(), _lines(answer)
    for header in lines:
        if header == b"shallow-info\n":
            for line in _section(lines):
                word, _, oid = line.decode("ascii", "replace").strip().partition(" ")
                {"shallow": pack.shallow, "unshallow": pack.unshallow}.get(word, []).append(oid)
        elif header == b"packfile\n":
            for line in _section(lines):
                if line[0] == _DATA:
                    pack.content += line[1:]
                elif line[0] != _PROGRESS:
                    raise Malformed("the server broke off")
            return pack
        else:
            raise Malformed("the server refuses")
    raise Malformed("the answer has no pack")


def _request(command: bytes, arguments: Sequence[bytes]) -> bytes:
    head = [b"command=" + command + b"\n", _AGENT, _SHA1]
    return b"".join([*map(_framed, head), DELIMITER, *map(_framed, arguments), FLUSH])


def _framed(line: bytes) -> bytes:
    return b"%04x%s" % (len(line) + 4, line)


def _lines(answer: bytes) -> Iterator[bytes]:
    """The lines of an answer; the special ones as they are, data is never as short."""
    view, at = memoryview(answer), 0
    while at < len(answer):
        head = bytes(view[at : at + 4])
        if head in _SPECIAL:
            yield head
            at += 4
            continue
        try:
            size = int(head, 16)
        except ValueError:
            raise Malformed("a line has no length") from None
        if not 4 < size <= _LONGEST or at + size > len(answer):
            raise Malformed("a line is cut off")
        line = bytes(view[at + 4 : at + size])
        if line in _SPECIAL or line.startswith(b"ERR "):
            raise Malformed("the server refuses")
        yield line
        at += size


def _section(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines up to the next delimiter or flush. Raises Malformed where there is none: something is missing."""
    for line in lines:
        if line in _SPECIAL:
            return
        yield line
    raise Malformed("the answer ends early")
