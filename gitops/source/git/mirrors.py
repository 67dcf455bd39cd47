"""The face of the Git room: repositories by URL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from gitops.model.credentials import RepositoryConfig
from gitops.source.git.checkout import Checkout
from gitops.source.git.refs import Refs
from gitops.source.git.signature import Signature


class Mirrors:
    """Bare mirrors and checkouts below `root`, shared by all processes of a node; cheap to make, one for each task.

    `allowed(url)` tells whether the project permits a repository, submodules included. `project` prefers that project's own
    repository Secrets.
    """

    def __init__(
        self,
        root: Path,
        config: RepositoryConfig,
        *,
        allowed: Callable[[str], bool] | None = None,
        project: str = "",
    ) -> None:
        raise NotImplementedError

    def refs(self, url: str) -> Refs:
        """One ls-remote. Raises RepositoryError, ProjectDenied."""
        raise NotImplementedError

    def ensure(self, url: str, sha: str) -> str:
        """Bring a commit into the mirror if it is missing; returns its full SHA. Raises RevisionError, RepositoryError."""
        raise NotImplementedError

    def tree_ids(self, url: str, sha: str, paths: Iterable[str]) -> dict[str, str | None]:
        """An id of the content of each path at a commit, None where nothing is; equal ids mean equal content."""
        raise NotImplementedError

    def changed_paths(self, url: str, old: str, new: str) -> list[str] | None:
        """The files that differ between two commits; None if `old` is not on this disk."""
        raise NotImplementedError

    def checkout(self, url: str, sha: str) -> Checkout:
        """The files of a commit, fetched if need be, none of them written before `Checkout.need`."""
        raise NotImplementedError

    def verify(self, url: str, sha: str, key_ids: Iterable[str]) -> Signature:
        """The commit's signature by one of the keys. Raises ComparisonError where there is no such."""
        raise NotImplementedError
