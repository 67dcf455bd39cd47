"""A commit's files, written lazily and shared by any number of renders."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gitops.source.disk import Entry, key
from gitops.source.git.mirror import Mirror
from gitops.source.git.tree import Damaged, clean
from gitops.source.git.write import Budget, Writer

if TYPE_CHECKING:
    from gitops.source.git.mirrors import Mirrors


class Checkout:
    """The files of one commit under `root`, for reading only.

    Use it as a context manager: meanwhile it is not pruned.
    """

    def __init__(self, entry: Entry, mirror: Mirror, sha: str, mirrors: Mirrors, held: ExitStack) -> None:
        self.sha = sha
        self._entry, self._mirror, self._mirrors, self._held = entry, mirror, mirrors, held
        self.root: Path = entry.path / "tree"
        self.root.mkdir(exist_ok=True)

    def need(self, path: str) -> None:
        """Write a file or folder of the commit ("" or "." is the whole tree) under `root`, unless it is there.

        In-repository targets of symlinks come along, submodules and LFS files too where they are asked for. Bytes are
        those in Git: no line ends are converted and no filter runs. Raises PathNotFound, PathOutside, RepositoryError,
        ProjectDenied (submodules), SourceError (bounds, names that no file may have).
        """
        path = clean(path)
        if self._written(path):
            return
        with self._entry.writing():
            if self._written(path):
                return
            budget = Budget(self._mirrors.bounds)
            try:
                Writer(self._mirrors, self._mirror, self.sha, self._entry.path, budget).write(path)
            except Damaged:
                self._mirror.discard()
                raise
            finally:
                self._entry.size += budget.on_disk
            self._mark(path).touch()
        self._mirrors.prune_checkouts()

    def close(self) -> None:
        """Let the disk space be reclaimed when it is short."""
        self._held.close()

    def _written(self, path: str) -> bool:
        parts = path.split("/") if path else []
        return any(self._mark("/".join(parts[:n])).exists() for n in range(len(parts), -1, -1))

    def _mark(self, path: str) -> Path:
        folder = self._entry.path / "written"
        folder.mkdir(exist_ok=True)
        return folder / key(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
