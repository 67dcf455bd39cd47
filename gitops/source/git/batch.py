"""The contents of many objects of a mirror by one process, `git cat-file --batch`, read while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NoReturn

from gitops.errors import RepositoryError
from gitops.source.git.command import Stream
from gitops.source.git.mirror import Mirror
from gitops.source.git.tree import Damaged

#: Bytes that are read in one piece.
PIECE = 1 << 20


def each(mirror: Mirror, oids: Iterable[str]) -> Iterator[tuple[str, int, Stream]]:
    """Object ids in their order, each with its bytes, and a stream whose `pieces` are to be read before the next.

    Raises Damaged where the mirror lacks one, RepositoryError where it takes too long.
    """
    stdin = "".join(oid + "\n" for oid in oids).encode()
    with mirror.runner.stream(["cat-file", "--batch"], git_dir=mirror.git_dir, stdin=stdin) as stream:
        for oid in stdin.decode().split():
            header = stream.out.readline().split()
            if len(header) != 3 or header[0] != oid.encode():
                _ended_early(stream, mirror.where)
            yield oid, int(header[2]), stream
            stream.out.read(1)


def pieces(stream: Stream, size: int, where: str) -> Iterator[bytes]:
    """The content that comes next, of `size` bytes, PIECE bytes at the most at a time; one empty piece for nothing."""
    for start in range(0, max(size, 1), PIECE):
        wanted = min(PIECE, size - start)
        content = stream.out.read(wanted)
        if len(content) != wanted:
            _ended_early(stream, where)
        yield content


def _ended_early(stream: Stream, where: str) -> NoReturn:
    if stream.timed_out:
        raise RepositoryError(f"the files of {where} took too long to read; they are read again")
    raise Damaged(f"the mirror of {where} is damaged on this worker; it is fetched anew")
