"""A commit's files, written lazily and shared by any number of renders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gitops.source.access.bounds import MIB
from gitops.source.disk import Entry, key
from gitops.source.git import batch
from gitops.source.git.contents import Contents
from gitops.source.git.listing import Item
from gitops.source.git.mirror import Mirror
from gitops.source.git.tree import Damaged, clean
from gitops.source.git.write import Budget, Writer, disk_errors, is_allowed

if TYPE_CHECKING:
    from gitops.source.git.mirrors import Mirrors

#: Files, and their bytes together, that `given` answers at the most.
_GIVEN_FILES, _GIVEN_BYTES = 200, 256 << 10


class Checkout:
    """The files of one commit under `root`, for reading only.

    Use it as a context manager: meanwhile it is not pruned.
    """

    def __init__(self, entry: Entry, mirror: Mirror, sha: str, mirrors: Mirrors, held: ExitStack) -> None:
        self.sha = sha
        self._entry, self._mirror, self._mirrors, self._held = entry, mirror, mirrors, held
        self.root: Path = entry.path / "tree"
        self.root.mkdir(exist_ok=True)
        self._marks = entry.path / "written"
        self._marks.mkdir(exist_ok=True)
        self._contents = Contents(mirror, sha, entry.path)
        self._lfs = mirrors.wants_lfs(mirror.url)

    def need(self, path: str) -> None:
        """Write a file or folder of the commit ("" or "." is the whole tree) under `root`, unless it is there.

        In-repository targets of symlinks come along, submodules and LFS files too where they are asked for. Bytes are
        those in Git: no line ends are converted and no filter runs.

        Raises PathNotFound, PathOutside, RepositoryError, ProjectDenied (submodules), SourceError (bounds, names that
        no file may have).
        """
        path = clean(path)
        if self._written(path):
            return
        self._bring()
        with self._entry.writing():
            if not self._written(path):
                self._write(path)
        self._mirrors.prune_checkouts()

    def given(self, path: str) -> dict[str, bytes] | None:
        """The content of every file at or below a folder, by path; nothing is written under `root`.

        None for what has to be on disk: nothing at all, a file, a symlink, submodule or LFS file, a name that is not
        text or that no file may have, and what is large. Raises PathOutside, RepositoryError.
        """
        path = clean(path)
        items = self._mirror.tree(self.sha).listing(path)
        if (
            not 0 < len(items) <= _GIVEN_FILES
            or not all(_is_plain(item, path) for item in items)
            or sum(item.size for item in items) > _GIVEN_BYTES
            or self._lfs
        ):
            return None
        self._bring()
        with self._undamaged():
            found = self._contents.read(items)
            if found is None:
                where, oids = self._mirror.where, dict.fromkeys(item.oid for item in items)
                found = {
                    o: b"".join(batch.pieces(stream, size, where)) for o, size, stream in batch.each(self._mirror, oids)
                }
        return {item.path: found[item.oid] for item in items}

    def _bring(self) -> None:
        """Where many paths are asked for one by one, the content of them all comes with one of them.

        So hundreds of applications that a commit touches cost few processes.
        """
        most = self._mirrors.bounds.checkout_mib * MIB
        if self._lfs or not self._contents.asked(most):
            return
        with self._undamaged(), disk_errors(f"{self._mirror.where} at {self.sha[:7]}"), self._entry.writing():
            self._entry.size += self._contents.bring()
        self._mirrors.prune_checkouts()

    def _write(self, path: str) -> None:
        budget = Budget(self._mirrors.bounds)
        folder, contents = self._entry.path, self._contents
        try:
            with self._undamaged():
                Writer(self._mirrors, self._mirror, self.sha, folder, budget, contents=contents).write(path)
        finally:
            self._entry.size += budget.on_disk
        self._mark(path).touch()

    @contextmanager
    def _undamaged(self) -> Iterator[None]:
        """A mirror whose own objects cannot be read has to go."""
        try:
            yield
        except Damaged:
            self._mirror.discard()
            raise

    def close(self) -> None:
        """Let the disk space be reclaimed when it is short."""
        self._held.close()

    def _written(self, path: str) -> bool:
        parts = path.split("/") if path else []
        return any(self._mark("/".join(parts[:n])).exists() for n in range(len(parts), -1, -1))

    def _mark(self, path: str) -> Path:
        return self._marks / key(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_plain(item: Item, folder: str) -> bool:
    """Whether it is a regular file below the folder whose name is text."""
    try:
        item.path.encode()
    except UnicodeEncodeError:
        return False
    return item.mode.startswith("100") and item.path != folder and is_allowed(item.path)
