"""Writing parts of a commit to disk as they are in Git: blobs, symlinks, submodules; nothing of it is ever run."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gitops.errors import RepositoryError, SourceError
from gitops.source.access.bounds import MIB, Bounds
from gitops.source.git import batch, lfs
from gitops.source.git.contents import Contents
from gitops.source.git.listing import LINK, MODULE, Item
from gitops.source.git.mirror import Mirror
from gitops.source.git.submodules import submodule_url
from gitops.source.git.tree import PathNotFound, PathOutside

if TYPE_CHECKING:
    from gitops.source.git.mirrors import Mirrors

_EXECUTABLE = "100755"
#: Symlinks of one path whose targets are followed.
_LINKS = 2000


class Budget:
    """What one `need` may still write, all submodules and symlink targets together."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds, self._bytes, self._files, self.on_disk = (
            bounds,
            bounds.checkout_mib * MIB,
            bounds.checkout_files,
            0,
        )

    def spend(self, items: Iterable[Item], what: str) -> None:
        """Raises SourceError where more is wanted than is left, before any of it is written."""
        for item in items:
            self._files -= 1
            self._bytes -= max(0, item.size)
            self.on_disk += max(4096, item.size)
        if self._files < 0:
            raise SourceError(
                f"{what} holds more than {self._bounds.checkout_files:,} files (GITOPS_REPO_CHECKOUT_FILES)"
            )
        if self._bytes < 0:
            raise SourceError(
                f"{what} holds more than {self._bounds.checkout_mib:,} MiB of files (GITOPS_REPO_CHECKOUT_MIB)"
            )


class Writer:
    """Writes paths of one commit below `folder`/tree/`prefix`; the folder's write lock is held meanwhile."""

    def __init__(
        self,
        mirrors: Mirrors,
        mirror: Mirror,
        sha: str,
        folder: Path,
        budget: Budget,
        prefix: str = "",
        depth: int = 0,
        contents: Contents | None = None,
    ) -> None:
        self._mirrors, self._mirror, self._sha, self._budget = mirrors, mirror, sha, budget
        self._contents = contents
        self._tree = mirror.tree(sha)
        self._folder, self._prefix, self._depth = folder, prefix, depth
        self._root = folder / "tree" / prefix
        self._seen: set[str] = set()
        self._folders: set[Path] = {folder / "tree"}
        self._made: set[Path] = set()
        self._scratch = folder / f"scratch{depth}"
        self._count = 0
        self._lfs = mirrors.wants_lfs(mirror.url)

    def write(self, path: str) -> None:
        """Write what is at a path. Raises PathNotFound where nothing is."""
        if path in self._seen:
            return
        self._seen.add(path)
        with disk_errors(f"path {path or '.'!r} of {self._mirror.where} at {self._sha[:7]}"):
            self._write(path)

    def _write(self, path: str) -> None:
        items = self._tree.listing(path)
        if path and (not items or (len(items) == 1 and items[0].path == path and items[0].mode in (LINK, MODULE))):
            self._write_elsewhere(path)
            return
        self._write_items(items, path)

    def _write_elsewhere(self, path: str) -> None:
        """A path through symlinks, into a submodule, to an empty folder, or to nothing."""
        located = self._tree.locate(path)
        if located is None:
            raise PathNotFound(f"path {path!r} does not exist in {self._mirror.where} at {self._sha[:7]}")
        self._write_blobs(located.links)
        if located.item is None:
            self.write("")
        elif located.item.mode == MODULE:
            self._write_submodule(located.item, located.rest)
        elif located.item.path != path:
            self.write(located.item.path)
        else:
            self._make_folder(self._root / path)

    def _write_items(self, items: list[Item], path: str) -> None:
        what = f"path {path or '.'!r} of {self._mirror.where} at {self._sha[:7]}"
        for item in items:
            if not is_allowed(item.path):
                raise SourceError(f"{what} holds a file named {item.path!r}, which no file may be called")
        self._budget.spend(items, what)
        self._make_folder(self._root if not path else (self._root / path).parent)
        self._write_blobs([item for item in items if item.mode != MODULE])
        for item in items:
            if item.mode == MODULE and self._mirrors.bounds.submodules:
                self._write_submodule(item, "")
        for item in [item for item in items if item.mode == LINK][:_LINKS]:
            self._follow(item, path)

    def _follow(self, link: Item, path: str) -> None:
        """Write what a symlink leads to, if that is in the repository and not written anyway."""
        target = os.readlink(self._root / link.path)  # may be no UTF-8
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(link.path), target))
        if target.startswith("/") or inside == ".." or inside.startswith("../"):
            return
        if path and inside != path and not inside.startswith(path + "/"):
            # A dangling link, or one that leads out by another, is the renderer's to judge.
            with contextlib.suppress(PathNotFound, PathOutside):
                self.write("" if inside == "." else inside)

    def _write_submodule(self, item: Item, rest: str) -> None:
        where = f"submodule {item.path!r} of {self._mirror.where} at {self._sha[:7]}"
        if not self._mirrors.bounds.submodules:
            raise PathNotFound(f"{where} is not followed: submodules are switched off (GITOPS_REPO_SUBMODULES)")
        if self._depth >= self._mirrors.bounds.submodule_depth:
            raise RepositoryError(f"{where} is nested too deeply (GITOPS_REPO_SUBMODULE_DEPTH)")
        url = submodule_url(self._mirror, self._sha, item.path, where)
        with self._mirrors.submodule(url) as mirror:
            full = self._mirrors.fetch_into(mirror, item.oid)
            prefix = posixpath.join(self._prefix, item.path)
            self._make_folder(self._root / item.path)
            Writer(self._mirrors, mirror, full, self._folder, self._budget, prefix, self._depth + 1).write(rest)

    def _write_blobs(self, items: Iterable[Item]) -> None:
        """Write files, then symlinks; what was not brought before comes by one process of Git."""
        wanted: dict[str, list[Item]] = {}
        for item in sorted(items, key=lambda item: item.mode == LINK):
            target = self._root / item.path
            # What a folder holds that did not exist a moment ago need not be looked up.
            if target.parent in self._made or not os.path.lexists(target):
                wanted.setdefault(item.oid, []).append(item)
        if not wanted:
            return
        shutil.rmtree(self._scratch, ignore_errors=True)  # what a killed process left
        self._scratch.mkdir()
        firsts = [places[0] for places in wanted.values()]
        small = all(item.size <= batch.PIECE for item in firsts)
        brought = self._contents.read(firsts) if small and self._contents and not self._lfs else None
        if brought is not None:
            for oid, places in wanted.items():
                for item in places:
                    self._place(item, brought[oid])
            return
        pointers: list[tuple[lfs.Pointer, list[Item]]] = []
        for oid, size, stream in batch.each(self._mirror, wanted):
            places, pieces = wanted[oid], batch.pieces(stream, size, self._mirror.where)
            if size > batch.PIECE:
                copy = self._scratch / oid
                with copy.open("wb") as file:
                    file.writelines(pieces)
                self._place_copy(copy, places)
                continue
            (content,) = pieces
            if self._lfs and (pointer := lfs.parse_pointer(content)):
                pointers.append((pointer, places))
                continue
            for item in places:
                self._place(item, content)
        if pointers:
            self._fetch_lfs(pointers)

    def _fetch_lfs(self, pointers: list[tuple[lfs.Pointer, list[Item]]]) -> None:
        """Write the content that LFS pointers stand for."""
        what = f"LFS content of {self._mirror.where}"
        self._budget.spend((Item("", "", pointer.size, "") for pointer, _ in pointers), what)
        with self._mirrors.open_session(self._mirror.url) as session:
            found = lfs.download(session, [pointer for pointer, _ in pointers], self._scratch, self._mirrors)
        for pointer, places in pointers:
            self._place_copy(found[pointer.oid], places)

    def _place(self, item: Item, content: bytes) -> None:
        """Write one file or symlink; what is seen under the root is always whole."""
        target = self._root / item.path
        self._make_folder(target.parent)
        self._count += 1
        fresh = self._scratch / f"{os.getpid()}-{self._count}"
        if item.mode == LINK:
            os.symlink(content, fresh)  # may be no UTF-8
        else:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _mode(item))
            with open(descriptor, "wb", buffering=0) as file:
                file.write(content)
        fresh.rename(target)

    def _place_copy(self, copy: Path, places: list[Item]) -> None:
        """Move a large file to all of its places."""
        for item in places:
            self._make_folder((self._root / item.path).parent)
            fresh = self._scratch / "copy"
            shutil.copyfile(copy, fresh)
            fresh.chmod(_mode(item))
            fresh.rename(self._root / item.path)
        copy.unlink()

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and those above it. A tree that has a symlink and a folder of one name is refused."""
        if folder in self._folders:
            return
        self._make_folder(folder.parent)
        try:
            folder.mkdir()
            self._made.add(folder)
        except FileExistsError:
            if folder.is_symlink() or not folder.is_dir():
                raise SourceError(
                    f"{self._mirror.where} at {self._sha[:7]} has a file and a folder of the same name {folder.name!r}"
                ) from None
        self._folders.add(folder)


def _mode(item: Item) -> int:
    return 0o555 if item.mode == _EXECUTABLE else 0o444


def is_allowed(path: str) -> bool:
    """Whether a file may be called so: nothing that leads elsewhere, nothing of Git's own."""
    return not any(part in ("", ".", "..") or part.lower() == ".git" for part in path.split("/"))


@contextlib.contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """What the file system refuses is the source's fault (SourceError), or the disk is full (RepositoryError)."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
            raise SourceError(f"{what} holds a name that this file system cannot hold") from None
        if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP):
            raise SourceError(f"{what} holds a file and a folder of the same name") from None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RepositoryError(f"{what} cannot be written: the disk of this worker is full") from None
        raise
