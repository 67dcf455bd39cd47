"""A checkout as a render sees it: nothing outside of it can be reached, and what was looked at is remembered."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from enum import Enum

from gitops.source.render.errors import Refused
from gitops.source.render.given import Given
from gitops.source.render.paths import below, is_text, normal, shown

_MIB = 1 << 20


class Budget:
    """How much one render may read, over all of its trees."""

    def __init__(self, mib: int, files: int) -> None:
        self.mib = mib
        self.bytes_left = mib * _MIB
        self.limit_files = files
        self.files_left = files

    def take(self, size: int, what: str) -> None:
        """Account for a file of `size` bytes. Raises Refused."""
        self.bytes_left -= size
        self.files_left -= 1
        if self.bytes_left < 0:
            raise Refused(f"the source's files are larger than {self.mib} MiB together (reached at {shown(what)})")
        if self.files_left < 0:
            raise Refused(f"the source has more than {self.limit_files} files")


class Kind(Enum):
    """What an entry is that is no folder."""

    FILE = "file"
    LINK = "symlink"
    OTHER = "other"


class Tree:
    """One checkout. Paths are relative to its root, with `/`; "." is the root.

    `need(path)` is called before the first look at a path outside of what is there already. `present` is there, but for
    what `given` holds of it: that is written the first time that somebody has to have it on disk.
    """

    def __init__(
        self,
        root: str,
        budget: Budget,
        need: Callable[[str], None],
        present: str | None = None,
        links: str = ".",
        given: Given | None = None,
    ) -> None:
        self.root = os.path.realpath(root)
        #: Symlinks may lead to what is below this folder.
        self.links = normal(links)
        self.budget = budget
        self._need = need
        self._own = None if present is None else normal(present)
        self._given = given
        self._present: set[str] = set() if self._own is None or given else {self._own}
        #: What decided the result: paths that were read, listed, or found missing.
        self.inputs: set[str] = set()

    def join(self, folder: str, path: str, what: str) -> str:
        """`path` as written in a file of `folder`; `what` says where, for errors. Raises Refused outside the root."""
        if path.startswith("/"):
            raise Refused(f"{what} is an absolute path, {shown(path)}; name it relative to {shown(folder)}")
        joined = normal(posixpath.join(folder, path))
        if joined == ".." or joined.startswith("../"):
            raise Refused(f"{what} leads out of the repository: {shown(path)}")
        return joined

    def locate(self, path: str) -> str | None:
        """The real absolute path of `path`, symlinks followed, or None where nothing is there.

        Raises Refused where a symlink leads out of the checkout.
        """
        path = normal(path)
        if path == ".." or path.startswith(("../", "/")) or "\0" in path:
            raise Refused(f"{shown(path)} is outside of the repository")
        for _ in range(40):
            self._bring(path)
            real = os.path.realpath(os.path.join(self.root, path))
            if real != self.root and not real.startswith(self.root + "/"):
                raise Refused(f"{shown(path)} is a symlink that leads out of the repository")
            inside = os.path.relpath(real, self.root)
            self._check_text(path, inside)
            if normal(inside) != path and not self._has(inside):
                # A symlink into a part of the checkout that may not be there yet.
                self._bring(inside)
                continue
            break
        if normal(inside) != path and not below(normal(inside), self.links):
            raise Refused(f"{shown(path)} is a symlink that leads out of the repository")
        if inside.split("/", 1)[0] == ".git":
            raise Refused(f"{shown(path)} is inside .git")
        if normal(inside) != path:
            self._record_links(path)
        if not os.path.isdir(real):
            # A folder counts once it is listed: what is read in it is recorded by itself.
            self.inputs.add(normal(inside))
        return real if os.path.lexists(real) else None

    def _check_text(self, path: str, inside: str) -> None:
        """What is read outside of the application's own path is remembered by its name, which has to be text."""
        if is_text(inside):
            return
        if self._own is None or not below(normal(inside), self._own):
            raise Refused(f"{shown(path)} leads to {shown(inside)}, a name that is not UTF-8; rename it")

    def _record_links(self, path: str) -> None:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            prefix = "/".join(parts[:count])
            if os.path.islink(os.path.join(self.root, prefix)):
                self.inputs.add(prefix)

    def _has(self, path: str) -> bool:
        path = normal(path)
        return any(p in (".", path) or path.startswith(p + "/") for p in self._present)

    def _bring(self, path: str) -> None:
        if not self._has(path):
            wanted = given.folder if (given := self._given_of(path)) else path
            self._need(wanted)
            self._present.add(normal(wanted))

    def _record_listing(self, real: str) -> None:
        self.inputs.add(normal(os.path.relpath(real, self.root)))

    def _given_of(self, path: str) -> Given | None:
        """What was given, where a path is part of it."""
        return self._given if self._given and self._given.covers(normal(path)) else None

    def is_dir(self, path: str) -> bool:
        if given := self._given_of(path):
            return given.is_dir(normal(path))
        real = self.locate(path)
        return real is not None and os.path.isdir(real)

    def is_file(self, path: str) -> bool:
        """Whether a regular file is there."""
        if given := self._given_of(path):
            return given.get(normal(path)) is not None
        real = self.locate(path)
        return real is not None and os.path.isfile(real)

    def size(self, path: str) -> int:
        if given := self._given_of(path):
            return len(given.get(normal(path)) or b"")
        real = self.locate(path)
        return os.stat(real).st_size if real else 0

    def read(self, path: str, limit: int | None = None) -> bytes:
        """A regular file's content. Raises Refused where it is missing, no file, or larger than `limit` bytes."""
        if given := self._given_of(path):
            return self._read_given(given, path, limit)
        real = self.locate(path)
        if real is None:
            raise Refused(f"{shown(path)} does not exist")
        # O_NONBLOCK: a named pipe must not hold us.
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise Refused(f"{shown(path)} is not a file")
            self._take(path, status.st_size, limit)
            return file.read(status.st_size)

    def _read_given(self, given: Given, path: str, limit: int | None) -> bytes:
        content = given.get(normal(path))
        if content is None:
            raise Refused(f"{shown(path)} {'is not a file' if given.is_dir(normal(path)) else 'does not exist'}")
        self._take(path, len(content), limit)
        return content

    def _take(self, path: str, size: int, limit: int | None) -> None:
        if limit is not None and size > limit:
            raise Refused(f"{shown(path)} is larger than {limit / _MIB:g} MiB")
        self.budget.take(size, path)

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted. Raises Refused."""
        if (given := self._given_of(path)) and given.is_dir(normal(path)):
            return given.names(normal(path))
        return sorted(os.listdir(self._folder(path)))

    def walk(self, folder: str, *, deep: bool = True) -> Iterator[tuple[str, Kind]]:
        """Every entry in `folder` that is no folder, and if `deep` below it, as (path, kind), in lexical order.

        No symlink is followed. Raises Refused.
        """
        if (given := self._given_of(folder)) and given.is_dir(normal(folder)):
            for path in given.walk(normal(folder), deep=deep):
                yield path, Kind.FILE
            return
        yield from self._walk(self._folder(folder), normal(folder), deep)

    def _folder(self, path: str) -> str:
        """A folder on disk that is to be listed."""
        real = self.locate(path)
        if real is None or not os.path.isdir(real):
            raise Refused(f"{shown(path)} is not a folder")
        self._record_listing(real)
        return real

    def _walk(self, real: str, folder: str, deep: bool) -> Iterator[tuple[str, Kind]]:
        with os.scandir(real) as found:
            entries = sorted(found, key=lambda e: e.name)
        for entry in entries:
            path = entry.name if folder == "." else f"{folder}/{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                file = Kind.FILE if entry.is_file(follow_symlinks=False) else Kind.OTHER
                yield path, Kind.LINK if entry.is_symlink() else file
            elif deep and entry.name != ".git":
                yield from self._walk(entry.path, path, deep)
