"""A commit's files, written lazily and shared by any number of renders."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self


class Checkout:
    """The files of one commit under `root`, for reading only. Use it as a context manager: meanwhile it is not pruned."""

    root: Path
    sha: str

    def need(self, path: str) -> None:
        """Write a file or folder of the commit ("" is the whole tree) under `root`, unless it is there.

        In-repository targets of the symlinks below it come along. Raises PathNotFound, RepositoryError (submodules), SourceError.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let the disk space be reclaimed when it is short."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
