"""The face of the Git room: repositories by URL."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from gitops.errors import ProjectDenied
from gitops.model.credentials import RepositoryConfig
from gitops.source.access.bounds import Bounds
from gitops.source.access.lookup import repository_for
from gitops.source.access.urls import Url, parse_url
from gitops.source.disk import Store, key
from gitops.source.git import direct
from gitops.source.git.checkout import Checkout
from gitops.source.git.command import CONFIG, Runner
from gitops.source.git.mirror import Mirror
from gitops.source.git.refs import Refs, parse_refs
from gitops.source.git.session import Session, session
from gitops.source.git.signature import Signature, verify
from gitops.source.git.tree import Damaged

_NO_BOUNDS = Bounds()

Request = Literal["ls-remote", "fetch"]
#: Called after each conversation with a Git server with (URL, what was asked, seconds, whether it failed).
Observer = Callable[[str, Request, float, bool], None]


class Mirrors:
    """Bare mirrors and checkouts below `root`, shared by all processes of a node; cheap to make, one for each task.

    `allowed(url)` tells whether the project permits a repository, submodules included; None permits all. `project`
    prefers that project's own repository Secrets, and its mirrors of what only they reach are nobody else's. `observer`
    is told of each conversation with a server.
    """

    def __init__(
        self,
        root: Path,
        config: RepositoryConfig,
        *,
        allowed: Callable[[str], bool] | None = None,
        project: str = "",
        bounds: Bounds = _NO_BOUNDS,
        observer: Observer | None = None,
    ) -> None:
        self._root, self.config, self._allowed, self._project = root, config, allowed, project
        self.bounds, self._observer = bounds, observer
        # Whoever waits for a fetch waits as long as the fetch may take.
        patience = bounds.command_seconds + 5
        self._mirrors = Store(root / "mirrors", bounds.mirrors_disk_mib, seconds=patience)
        self._checkouts = Store(root / "checkouts", bounds.checkouts_disk_mib, seconds=patience)

    def refs(self, url: str) -> Refs:
        """One list of all refs. Raises RepositoryError, ProjectDenied."""
        parsed = self._permitted(url)
        with self._conversation(parsed, "ls-remote") as opened:
            if (listed := direct.refs(opened)) is not None:
                return parse_refs(parsed.text, listed)
            result = opened.runner.run(["ls-remote", "--symref", "--quiet", "--end-of-options", opened.address.text])
            if result.status:
                raise opened.failed(result)
            return parse_refs(parsed.text, result.out)

    def ensure(self, url: str, sha: str) -> str:
        """Bring a commit into the mirror if it is missing; returns its full SHA.

        `sha` is a full or abbreviated one, as `Refs.resolve` gives it. Raises RevisionError, RepositoryError,
        ProjectDenied.
        """
        with self._mirror(url) as mirror:
            return self._ensured(mirror, sha)

    def fetch_tip(self, url: str, branch: str) -> str:
        """Fetch what a branch, by its full name, points at now; the commit's SHA.

        "" where nothing of the repository is on this disk yet, or its server gives no single branch. Raises
        RepositoryError, ProjectDenied.
        """
        with self._mirror(url) as mirror:
            sha = mirror.fetch_tip(branch)
        self._mirrors.prune()
        return sha

    def tree_ids(self, url: str, sha: str, paths: Iterable[str]) -> dict[str, str | None]:
        """An id of the content of each path at a commit, None where nothing is; equal ids mean equal content.

        Fetches the commit if it is missing. Raises RevisionError, RepositoryError, ProjectDenied, PathOutside.
        """
        with self._mirror(url) as mirror:
            return mirror.tree(self._ensured(mirror, sha)).ids(paths)

    def files(self, url: str, sha: str) -> dict[str, str]:
        """The regular files of a commit by path, each with the id of its content; symlinks and submodules are left out.

        Fetches the commit if it is missing. Raises RevisionError, RepositoryError, ProjectDenied.
        """
        with self._mirror(url) as mirror:
            items = mirror.tree(self._ensured(mirror, sha)).listing("")
            return {item.path: item.oid for item in items if item.mode.startswith("100")}

    def content(self, url: str, sha: str, oid: str, at_most: int) -> bytes:
        """A file's content by the id that `files` gave. Raises RepositoryError where it has more bytes than at_most."""
        with self._mirror(url) as mirror:
            return mirror.tree(self._ensured(mirror, sha)).blob(oid, at_most)

    def changed_paths(self, url: str, old: str, new: str) -> list[str] | None:
        """The files that differ between two commits; None if one of them is not on this disk. Fetches nothing."""
        with self._mirror(url) as mirror:
            return mirror.changed_paths(old, new)

    def checkout(self, url: str, sha: str) -> Checkout:
        """The files of a commit, fetched if need be, none of them written before `Checkout.need`."""
        with contextlib.ExitStack() as stack:
            mirror = stack.enter_context(self._mirror(url))
            full = self._ensured(mirror, sha)
            name = key(self._name(mirror.url), full)
            entry = stack.enter_context(self._checkouts.entry(name, f"the checkout of {mirror.where}"))
            return Checkout(entry, mirror, full, self, stack.pop_all())

    def verify(self, url: str, sha: str, key_ids: Iterable[str]) -> Signature:
        """The signature of a commit, or of an annotated tag by its object id, by one of the keys.

        Each key is 16 or 40 hex digits (GPG) or `SHA256:…` (SSH). Fetches what is missing. Raises ComparisonError where
        there is no such signature, and as `ensure` does.
        """
        with self._mirror(url) as mirror:
            self._ensured(mirror, sha)
            return verify(mirror, sha, tuple(key_ids), self.config.gpg_keys, self._root / "sessions")

    # --- for this room ---

    def prune_checkouts(self) -> None:
        """Hold the checkouts' bound."""
        self._checkouts.prune()

    @contextlib.contextmanager
    def submodule(self, url: str) -> Iterator[Mirror]:
        """A submodule's mirror. Raises ProjectDenied, or RepositoryError for file://, before any connection."""
        with self._mirror(url) as mirror:
            yield mirror

    def wants_lfs(self, url: Url) -> bool:
        """Whether the repository's Secret asks for LFS content; without it pointers stay what they are."""
        return repository_for(self.config, url.text, self._project).enableLfs

    def open_session(self, url: Url) -> contextlib.AbstractContextManager[Session]:
        """A conversation with a repository's server."""
        return self._session(url)

    def fetch_into(self, mirror: Mirror, sha: str) -> str:
        """`ensure` for a mirror that is open."""
        return self._ensured(mirror, sha)

    def _ensured(self, mirror: Mirror, sha: str) -> str:
        full, fetched = mirror.ensure(sha)
        if fetched:
            self._mirrors.prune()
        return full

    @contextlib.contextmanager
    def _mirror(self, url: str) -> Iterator[Mirror]:
        parsed = self._permitted(url)
        with self._mirrors.entry(key(self._name(parsed)), f"the mirror of {parsed.text}") as entry:
            mirror = Mirror(entry, self._local(), parsed, self.bounds, partial(self._conversation, parsed, "fetch"))
            try:
                yield mirror
            except Damaged:
                mirror.discard()
                raise

    def _permitted(self, url: str) -> Url:
        parsed = parse_url(url, self.bounds.protocols)
        if self._allowed is not None and not self._allowed(parsed.text):
            raise ProjectDenied(
                f"repository {parsed.text} is not permitted in project {self._project or 'default'!r}; "
                "add it to the project's sourceRepos"
            )
        return parsed

    def _session(self, url: Url) -> contextlib.AbstractContextManager[Session]:
        return session(self._root, url, self.config, self._project, self.bounds)

    @contextlib.contextmanager
    def _conversation(self, url: Url, request: Request) -> Iterator[Session]:
        """A session that the observer is told of; it has failed where an exception ends it."""
        begun, failed = time.monotonic(), True
        try:
            with self._session(url) as opened:
                yield opened
            failed = False
        finally:
            if self._observer is not None:
                self._observer(url.text, request, time.monotonic() - begun, failed)

    def _name(self, url: Url) -> str:
        """What one mirror is for: the URL, and the project whose own Secret reaches it."""
        scope = repository_for(self.config, url.text, self._project).project
        return f"{url.text.rstrip('/').removesuffix('.git')} {scope}"

    def _local(self) -> Runner:
        """A runner without credentials or network."""
        path = self._root / f"gitconfig-{key(CONFIG)[:8]}"
        if not path.exists():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = path.with_name(f"{path.name}.{os.getpid()}")
            fresh.write_text(CONFIG)
            fresh.rename(path)
        return Runner(path, self.bounds.command_seconds, {})
