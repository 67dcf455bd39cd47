"""Looking into a commit without writing any of it: entries, ids of paths, symlinks and submodules on the way."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops.errors import RepositoryError, SourceError
from gitops.source.git.command import Result, Runner, TooMuch
from gitops.source.git.listing import LINK, MODULE, MOST, TREE, Item, Listing, listing

#: Symlinks that may follow one another, as the kernel has it.
_HOPS = 40
#: Bytes of paths in one command's arguments.
_ARGUMENTS = 96 << 10


class PathNotFound(SourceError):
    """The commit has nothing at this path."""


class PathOutside(SourceError):
    """A path or symlink leads out of the repository."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where a path really is:

    the entry (None for the root), the symlinks passed, and what is left below a submodule.
    """

    item: Item | None
    links: tuple[Item, ...]
    rest: str


class Tree:
    """One commit of a mirror."""

    def __init__(self, runner: Runner, git_dir: Path, sha: str, where: str) -> None:
        """`where` names the repository in errors."""
        self._runner, self._git_dir, self.sha, self._where = runner, git_dir, sha, where

    def listing(self, path: str) -> list[Item]:
        """Every file, symlink and submodule at or below a path ("" is the root)."""
        if whole := self.whole():
            return whole.below(path)
        below = ["--", path] if path else []
        return self._list(["-r", "-l", self.sha, *below])

    def items(self, paths: Sequence[str]) -> dict[str, Item]:
        """The entry of each path that has one; symlinks and submodules are not followed."""
        if whole := self.whole():
            return {path: item for path in paths if (item := whole.get(path))}
        found: dict[str, Item] = {}
        for chunk in _chunks(paths):
            found.update((item.path, item) for item in self._list(["-l", self.sha, "--", *chunk]))
        return found

    def blob(self, oid: str, at_most: int) -> bytes:
        """A blob's content. Raises RepositoryError if it is larger."""
        return self._checked(self._runner.run(["cat-file", "blob", oid], git_dir=self._git_dir, max_out=at_most)).out

    def ids(self, paths: Iterable[str]) -> dict[str, str | None]:
        """An id of the content of each path, None where nothing is; two processes at the most.

        A path through a symlink gets an id of the link and of what it leads to; one in a submodule the submodule's
        commit.
        """
        wanted = {path: clean(path) for path in paths}
        chain = sorted({part for path in wanted.values() for part in _ancestors(path)})
        kinds = self._kinds(chain)
        doubtful = sorted({stop for path in wanted.values() if (stop := _first_doubtful(path, kinds))})
        items = self.items(doubtful)
        return {path: self._id(cleaned, kinds, items) for path, cleaned in wanted.items()}

    def locate(self, path: str) -> Located | None:
        """Follow a path through symlinks inside the repository, up to a submodule's border; None if it leads nowhere.

        Raises PathOutside where a symlink leads out.
        """
        todo, done, links = clean(path).split("/") if path else [], list[str](), list[Item]()
        item: Item | None = None
        while todo:
            name = todo.pop(0)
            if name in ("", "."):
                continue
            if name == "..":
                if not done:
                    raise PathOutside(f"path {path!r} of {self._where} leads out of the repository")
                done.pop()
                item = None
                continue
            here = "/".join([*done, name])
            item = self.items([here]).get(here)
            if item is None:
                return None
            if item.mode == MODULE:
                return Located(item, tuple(links), "/".join(todo))
            if item.mode == LINK:
                links.append(item)
                target = self.blob(item.oid, 4096).decode("utf-8", "surrogateescape")
                if target.startswith("/"):
                    raise PathOutside(f"path {path!r} of {self._where} leads out of the repository by a symlink")
                if len(links) > _HOPS:
                    return None
                todo = [*target.split("/"), *todo]
                item = None
            else:
                done.append(name)
        if item is None and done:
            item = self.items(["/".join(done)])["/".join(done)]
        return Located(item, tuple(links), "")

    def _id(self, path: str, kinds: dict[str, str | None], items: dict[str, Item]) -> str | None:
        stop = _first_doubtful(path, kinds)
        if not stop:
            return kinds[path]
        item = items.get(stop)
        if item is None:
            return None
        if item.mode == LINK:
            try:
                located = self.locate(path)
            except PathOutside:
                located = None
            # A link that leads nowhere has a content too: its own.
            passed = located.links if located else (item,)
            end = (located.item.oid if located.item else self.sha) if located else ""
            return hashlib.sha256(" ".join([*(link.oid for link in passed), end]).encode()).hexdigest()
        return item.oid if item.mode == MODULE or stop == path else None

    def _kinds(self, paths: Sequence[str]) -> dict[str, str | None]:
        """The object id of each path, None where there is no object. Blobs get a mark, as their mode is not known."""
        if "" not in paths and (whole := self.whole()):
            return {path: _kind(whole.get(path)) for path in paths}
        names = [f"{self.sha}:{path}".encode("utf-8", "surrogateescape") for path in paths]
        out = self._checked(
            self._runner.run(
                ["cat-file", "-z", "--batch-check=%(objecttype) %(objectname)"],
                git_dir=self._git_dir,
                stdin=b"".join(name + b"\0" for name in names),
            )
        ).out
        found: dict[str, str | None] = {}
        at = 0
        for path, name in zip(paths, names, strict=True):
            missing = name + b" missing\n"
            if out.startswith(missing, at):
                found[path], at = None, at + len(missing)
            else:
                end = out.index(b"\n", at)
                kind, _, oid = out[at:end].decode().partition(" ")
                found[path], at = oid if kind == "tree" else _BLOB + oid, end + 1
        return found

    def whole(self) -> Listing | None:
        """All entries of the commit; None where there are too many to keep, or two of one name, which is an attack."""
        return listing(str(self._git_dir), self.sha, self._read_whole)

    def _read_whole(self) -> list[Item] | None:
        try:
            items = self._list(["-r", "-t", "-l", self.sha], MOST)
        except TooMuch:
            return None
        return items if len({item.path for item in items}) == len(items) else None

    def _list(self, arguments: Sequence[str], at_most: int = 128 << 20) -> list[Item]:
        out = self._checked(
            self._runner.run(["ls-tree", "-z", "--full-tree", *arguments], git_dir=self._git_dir, max_out=at_most)
        ).out
        return [_item(record) for record in out.split(b"\0") if record]

    def _checked(self, result: Result) -> Result:
        if result.status == 0:
            return result
        if result.timed_out:
            raise RepositoryError(f"{self._where} at {self.sha[:7]} took too long to read")
        raise Damaged(f"the mirror of {self._where} is damaged on this worker; it is fetched anew")


def _kind(item: Item | None) -> str | None:
    """What `_kinds` says of an entry."""
    if item is None or item.mode == MODULE:
        return None
    return item.oid if item.mode == TREE else _BLOB + item.oid


class Damaged(RepositoryError):
    """A mirror's own objects cannot be read: it has to go."""


_BLOB = "blob "


def clean(path: str) -> str:
    """A path as git has it: "" for the root, no leading, trailing or double slashes, no dots.

    Raises PathOutside for one that leads out of the repository.
    """
    normal = posixpath.normpath(path.strip("/") or ".")
    if normal == ".." or normal.startswith("../") or "\0" in normal:
        raise PathOutside(f"path {path!r} leads out of the repository")
    return "" if normal == "." else normal


def _ancestors(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _first_doubtful(path: str, kinds: dict[str, str | None]) -> str:
    """The first part of a path that is no folder: a file, symlink, submodule, or nothing. "" if all are folders."""
    for part in _ancestors(path):
        if (kinds[part] or _BLOB).startswith(_BLOB):
            return part
    return ""


def _item(record: bytes) -> Item:
    meta, _, path = record.partition(b"\t")
    mode, _, oid, size = meta.decode().split()
    return Item(mode, oid, -1 if size == "-" else int(size), path.decode("utf-8", "surrogateescape"))


def _chunks(paths: Sequence[str]) -> Iterable[Sequence[str]]:
    chunk: list[str] = []
    length = 0
    for path in paths:
        if chunk and length + len(path) > _ARGUMENTS:
            yield chunk
            chunk, length = [], 0
        chunk.append(path)
        length += len(path) + 1
    if chunk:
        yield chunk
