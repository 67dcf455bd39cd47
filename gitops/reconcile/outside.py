"""What goes into a render from outside of its sources' commits: remote bases, charts by range, files at URLs.

Each is pinned in the Artifact's address and tracked, so that what moves is found at the next interval like a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gitops.errors import RepositoryError
from gitops.source import ChartDependency, RemoteBase, RemoteFile, Rendered
from gitops.source.access import RemoteFiles
from gitops.source.charts import ChartRepositories
from gitops.source.git import Checkout, Mirrors, Refs
from gitops.source.git.refs import is_sha
from gitops.state.apps import Outside
from gitops.state.due import Tracked

#: Tracked in place of a revision that only a new look can tell (a chart's version range).
UNTRACKABLE = "?"
BASE, CHART, FILE = "base", "chart", "file"


@dataclass(slots=True)
class Outsiders:
    """Brings to the renders of one application what lies outside of its sources, and remembers what that was.

    `refs(url)` gives the refs of a repository by the look that all its applications share, `note(url, ref, revision)`
    tells it what a ref was. `fresh` asks charts and files anew whatever is kept.
    """

    mirrors: Mirrors
    charts: ChartRepositories
    files: RemoteFiles
    refs: Callable[[str], Refs]
    note: Callable[[str, str, str], None]
    fresh: bool = False
    _bases: dict[RemoteBase, Outside] = field(default_factory=dict)
    _others: dict[tuple[str, str], Outside] = field(default_factory=dict)
    _held: ExitStack = field(default_factory=ExitStack)

    # --- during a render ---

    def base(self, wanted: RemoteBase) -> Checkout:
        """A remote kustomize base, through the same mirrors, and only if the project permits its repository."""
        sha = self._commit(wanted.repo_url, wanted.ref)
        self._bases[wanted] = Outside(BASE, wanted.repo_url, wanted.ref, sha)
        return self._held.enter_context(self.mirrors.checkout(wanted.repo_url, sha))

    def chart(self, wanted: ChartDependency) -> Path:
        """A chart that a chart in Git depends on, or that a kustomization inflates."""
        version = self.charts.resolve(wanted.repository, wanted.name, wanted.version, refresh=self.fresh)
        if version != wanted.version:
            asked = f"{wanted.name} {wanted.version}"
            self._others[wanted.repository, asked] = Outside(CHART, wanted.repository, asked, version)
        return self.charts.fetch(wanted.repository, wanted.name, version)

    def file(self, wanted: RemoteFile) -> Path:
        """A file at a URL."""
        content = self.files.fetch(wanted.url, refresh=self.fresh)
        self._others[wanted.url, ""] = Outside(FILE, wanted.url, "", content.digest)
        return content.path

    def used(self, rendered: Iterable[Rendered]) -> tuple[Outside, ...]:
        """All that went into the renders."""
        read: dict[RemoteBase, set[str]] = {}
        for one in rendered:
            for base, paths in one.remotes.items():
                read.setdefault(base, set()).update(paths)
        bases = [replace(self._bases[base], inputs=tuple(sorted(paths))) for base, paths in read.items()]
        return (*bases, *self._others.values())

    def close(self) -> None:
        """Let go of what was brought."""
        self._held.close()
        self.files.close()

    # --- between renders ---

    def now(self, former: Sequence[Outside]) -> tuple[Outside, ...]:
        """The same things as they are by now, nothing of them brought but a base's new commit.

        Raises RepositoryError, RevisionError, or refs.Waiting.
        """
        return tuple(replace(one, revision=self._revision(one)) for one in former)

    def address(self, outside: Iterable[Outside]) -> list[Any]:
        """What of it belongs to an Artifact's address: of a base only what was read in it."""
        parts: list[Any] = []
        for one in outside:
            if one.kind == BASE:
                self.mirrors.ensure(one.url, one.revision)
                parts.append([one.url, sorted(self.mirrors.tree_ids(one.url, one.revision, one.inputs).items())])
            else:
                parts.append([one.url, one.wanted, one.revision])
        return sorted(parts, key=str)

    def _revision(self, one: Outside) -> str:
        if one.kind == BASE:
            return self._commit(one.url, one.wanted)
        if one.kind == CHART:
            name, _, version = one.wanted.partition(" ")
            return self.charts.resolve(one.url, name, version)
        try:
            return self.files.fetch(one.url).digest
        except RepositoryError:
            # What was rendered with it stands until something else asks for a render.
            return one.revision

    def _commit(self, url: str, ref: str) -> str:
        if is_sha(ref.lower()):
            return ref.lower()
        wanted = ref or "HEAD"
        revision = self.refs(url).require(wanted)
        if not is_sha(revision):
            revision = self.mirrors.ensure(url, revision)
        self.note(url, wanted, revision)
        return revision


def tracked(outside: Iterable[Outside]) -> tuple[Tracked, ...]:
    """What the claim of a due time must look at for it."""
    found = []
    for one in outside:
        if one.kind != BASE:
            found.append(Tracked(one.url, UNTRACKABLE, one.revision))
        elif not is_sha(one.wanted.lower()):
            found.append(Tracked(one.url, one.wanted or "HEAD", one.revision))
    return tuple(dict.fromkeys(found))
