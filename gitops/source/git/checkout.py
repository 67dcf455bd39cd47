"""A commit's files, written lazily and shared by any number of renders."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gitops.errors import SourceError
from gitops.source.access.bounds import MIB
from gitops.source.disk import Entry, key
from gitops.source.git.mirror import Mirror
from gitops.source.git.tree import Damaged, clean
from gitops.source.git.write import Budget, Writer

if TYPE_CHECKING:
    from gitops.source.git.mirrors import Mirrors

#: What costs about as much as one more path by a process of its own: so many files, or bytes, written in one go.
_FILES_A_PATH, _BYTES_A_PATH = 100, MIB // 2
#: Paths that are written by themselves at least, before the rest of the commit comes with the next.
_ALONE = 4


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
        #: Whether all of the commit was written, or could not be.
        self._all, self._not_all = entry.path / "all", entry.path / "not-all"

    def need(self, path: str) -> None:
        """Write a file or folder of the commit ("" or "." is the whole tree) under `root`, unless it is there.

        In-repository targets of symlinks come along, submodules and LFS files too where they are asked for. Bytes are
        those in Git: no line ends are converted and no filter runs. Where many paths are asked for one by one, the rest
        of the commit comes with one of them: hundreds of applications that a commit touches cost few processes.

        Raises PathNotFound, PathOutside, RepositoryError, ProjectDenied (submodules), SourceError (bounds, names that
        no file may have).
        """
        path = clean(path)
        if self._written(path):
            return
        with self._entry.writing():
            if not self._written(path) and self._worth_all():
                self._write_all()
            if not self._written(path):
                self._write(path, self._mark(path))
        self._mirrors.prune_checkouts()

    def _write(self, path: str, mark: Path) -> None:
        budget = Budget(self._mirrors.bounds)
        try:
            Writer(self._mirrors, self._mirror, self.sha, self._entry.path, budget).write(path)
        except Damaged:
            self._mirror.discard()
            raise
        finally:
            self._entry.size += budget.on_disk
        mark.touch()

    def _worth_all(self) -> bool:
        """Whether so many paths were written that the rest is worth it, and comes from this repository alone."""
        if self._all.exists() or self._not_all.exists() or self._mirrors.wants_lfs(self._mirror.url):
            return False
        paths = len(os.listdir(self._marks))
        return paths >= _ALONE and self._mirror.tree(self.sha).is_within(paths * _FILES_A_PATH, paths * _BYTES_A_PATH)

    def _write_all(self) -> None:
        try:
            self._write("", self._all)
        except SourceError:
            # What is wrong with a file elsewhere is no concern of whoever needs a path now.
            self._not_all.touch()

    def close(self) -> None:
        """Let the disk space be reclaimed when it is short."""
        self._held.close()

    def _written(self, path: str) -> bool:
        parts = path.split("/") if path else []
        if any(self._mark("/".join(parts[:n])).exists() for n in range(len(parts), -1, -1)):
            return True
        # A path that is not there is for the writer to say so.
        if path and self._all.exists() and os.path.lexists(self.root / path):
            self._mark(path).touch()
            return True
        return False

    def _mark(self, path: str) -> Path:
        return self._marks / key(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
