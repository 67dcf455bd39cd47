"""Every entry of one commit, read by one process and kept by this one: most questions about a commit come in hundreds.

A commit of a monorepo is asked for the content ids of each application's paths. Read whole, it answers all of them
without another process. Commits larger than the bound are asked path by path.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

TREE, LINK, MODULE = "040000", "120000", "160000"
#: Bytes of `git ls-tree` that are read, some 20,000 entries; in memory they take about four times as much.
MOST = 2 << 20
#: Commits that a process keeps, and those that it remembers: how often they were asked for, or that they are too large.
_KEPT, _REMEMBERED = 2, 64
#: Questions about a commit that are asked one by one: one application asks two or three.
_SINGLE = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a tree: git's mode, object id, bytes (-1 where it has none) and the path from the root."""

    mode: str
    oid: str
    size: int
    path: str


class Listing:
    """The entries of a commit by path, folders among them."""

    def __init__(self, items: list[Item]) -> None:
        self._items = {item.path: item for item in items}
        self._paths = sorted(self._items)

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Where the content of each file and symlink begins, by object id, if each lies once, one after another; the
        end of the last is that of "".
        """
        found, at = dict[str, int](), 0
        for item in self._items.values():
            if item.size >= 0 and item.oid not in found:
                found[item.oid] = at
                at += item.size
        return {**found, "": at}

    def get(self, path: str) -> Item | None:
        """The entry at a path; None where nothing is, and for the root."""
        return self._items.get(path)

    def below(self, path: str) -> list[Item]:
        """Every file, symlink and submodule at or below a path ("" is the root)."""
        if not path:
            return [item for item in self._items.values() if item.mode != TREE]
        itself = self._items.get(path)
        if itself is None:
            return []
        if itself.mode != TREE:
            return [itself]
        found = []
        for at in range(bisect_left(self._paths, path + "/"), len(self._paths)):
            if not self._paths[at].startswith(path + "/"):
                break
            item = self._items[self._paths[at]]
            if item.mode != TREE:
                found.append(item)
        return found


_lock = threading.Lock()
_kept: OrderedDict[tuple[str, str], Listing | int | None] = OrderedDict()


def listing(git_dir: str, sha: str, read: Callable[[], list[Item] | None]) -> Listing | None:
    """The listing of a commit that many ask for, by `read` (None: it is too large) where this process has none.

    None for one that few have asked for yet, and for one that is too large.
    """
    key = git_dir, sha
    with _lock:
        known = _kept.setdefault(key, 0)
        _kept.move_to_end(key)
        if isinstance(known, int) and known < _SINGLE:
            _kept[key] = known + 1
            _bound()
            return None
        if not isinstance(known, int):
            return known
    items = read()
    with _lock:
        made = _kept[key] = None if items is None else Listing(items)
        _bound()
        return made


def _bound() -> None:
    whole = [name for name, value in _kept.items() if isinstance(value, Listing)]
    for name in whole[:-_KEPT]:
        del _kept[name]
    while len(_kept) > _REMEMBERED:
        _kept.popitem(last=False)
