"""What the files of a commit hold, in one file, for a commit that many applications ask for path by path.

One process of Git writes it, and hundreds of paths are then read without another. Each content lies in it once, in the
order of the commit's listing, which therefore tells where.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from gitops.source.access.bounds import MIB
from gitops.source.git.batch import each, pieces
from gitops.source.git.listing import Item, Listing
from gitops.source.git.mirror import Mirror

#: What costs about as much as one more path by a process of its own: so many files, or bytes, read in one go.
_FILES_A_PATH, _BYTES_A_PATH = 100, MIB // 2
#: Paths that are read by themselves at least, before the whole commit is.
_ALONE = 4
#: Commits of which this process remembers how many paths were asked for.
_REMEMBERED = 64

_lock = threading.Lock()
_asked: OrderedDict[str, int] = OrderedDict()


class Contents:
    """The contents of the commit `sha`, in the file `contents` of `folder`."""

    def __init__(self, mirror: Mirror, sha: str, folder: Path) -> None:
        self._mirror, self._sha = mirror, sha
        self._file = folder / "contents"

    def asked(self, at_most: int) -> bool:
        """One more path is asked for. Whether so many were that to `bring` all is worth it, of `at_most` bytes."""
        with _lock:
            count = _asked[str(self._file)] = _asked.get(str(self._file), 0) + 1
            _asked.move_to_end(str(self._file))
            while len(_asked) > _REMEMBERED:
                _asked.popitem(last=False)
        if count <= _ALONE or (whole := self._whole()) is None:
            return False
        there = whole.offsets
        worth = len(there) - 1 <= count * _FILES_A_PATH and there[""] <= min(count * _BYTES_A_PATH, at_most)
        return worth and not self._is_there(whole)

    def bring(self) -> int:
        """Write the file, under the write lock of its folder; the bytes that it takes on disk.

        Raises OSError, Damaged and RepositoryError.
        """
        whole = self._whole()
        if whole is None or self._is_there(whole):
            return 0
        fresh = self._file.with_suffix(".new")
        with fresh.open("wb") as file:
            oids = [oid for oid in whole.offsets if oid]
            for _, size, stream in each(self._mirror, oids):
                for piece in pieces(stream, size, self._mirror.where):
                    file.write(piece)
        fresh.rename(self._file)
        return whole.offsets[""]

    def read(self, items: Iterable[Item]) -> dict[str, bytes] | None:
        """What these files and symlinks of the commit hold, by object id; None where they were not brought."""
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            whole = self._whole()
            if whole is None or os.fstat(descriptor).st_size != whole.offsets[""]:
                return None
            return {item.oid: os.pread(descriptor, item.size, whole.offsets[item.oid]) for item in items}
        finally:
            os.close(descriptor)

    def _whole(self) -> Listing | None:
        return self._mirror.tree(self._sha).whole()

    def _is_there(self, whole: Listing) -> bool:
        try:
            return self._file.stat().st_size == whole.offsets[""]
        except FileNotFoundError:
            return False
