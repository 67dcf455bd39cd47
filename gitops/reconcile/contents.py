"""What git generators read: files of a repository at a revision, permitted by a project, looked at once an interval."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gitops.errors import ProjectDenied, SourceError
from gitops.model.project import AppProject
from gitops.project import check_source
from gitops.reconcile.refs import RefsReader
from gitops.source.git import Mirrors
from gitops.state.due import Tracked

_FULL_SHA = 40
#: Bytes of a file that are read at the most; a generator takes less.
_MOST = 2 << 20


class _Kept:
    """Small files by the id of their content, so that a look at hundreds of unchanged ones runs no process each.

    Whoever has an id has got it from a listing that he was permitted to read.
    """

    FILES, BYTES = 2000, 16 << 10

    def __init__(self) -> None:
        self._files: OrderedDict[str, bytes] = OrderedDict()

    def get(self, oid: str) -> bytes | None:
        if oid in self._files:
            self._files.move_to_end(oid)
        return self._files.get(oid)

    def put(self, oid: str, content: bytes) -> None:
        if len(content) <= self.BYTES:
            self._files[oid] = content
            if len(self._files) > self.FILES:
                self._files.popitem(last=False)


_kept = _Kept()


def check_any(projects: Sequence[AppProject], url: str) -> None:
    """Raise ProjectDenied where none of the projects permits the repository; the sentence is the first one's."""
    denied: ProjectDenied | None = None
    for project in projects:
        try:
            return check_source(project, url)
        except ProjectDenied as error:
            denied = denied or error
    raise denied or ProjectDenied("no project exists that could permit the repository; create an AppProject")


@dataclass(slots=True)
class Contents:
    """The RepositoryContent of one run over one ApplicationSet, which `set_id` names.

    `signers`: keys of which one must have signed a commit that is read; empty where none is asked for.
    """

    mirrors: Mirrors
    refs: RefsReader
    projects: Sequence[AppProject]
    set_id: str
    signers: Iterable[str] = ()
    #: What was read, for the one who tells of new commits.
    tracked: dict[tuple[str, str], Tracked] = field(default_factory=dict)
    _files: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def paths(self, repo_url: str, revision: str) -> list[str]:
        """The paths of all regular files.

        Raises ProjectDenied before anything is read, RepositoryError, RevisionError, or refs.Waiting.
        """
        return list(self._listing(repo_url, revision))

    def read(self, repo_url: str, revision: str, path: str) -> bytes:
        """The content of one file. Raises as `paths` does."""
        oid = self._listing(repo_url, revision).get(path)
        if oid is None:
            raise SourceError(f"{path} is no regular file of the repository")
        if (content := _kept.get(oid)) is None:
            content = self.mirrors.content(repo_url, self.tracked[repo_url, revision].revision, oid, _MOST)
            _kept.put(oid, content)
        return content

    def _listing(self, url: str, revision: str) -> dict[str, str]:
        if (url, revision) not in self._files:
            check_any(self.projects, url)
            wanted = revision or "HEAD"
            refs = self.refs.get(self.mirrors, url, self.set_id)
            sha = refs.require(wanted)
            if len(sha) < _FULL_SHA:
                sha = self.mirrors.ensure(url, sha)
            self.refs.state.refs.note(url, wanted, sha)
            if signers := list(self.signers):
                self.mirrors.verify(url, refs.annotated(wanted) or sha, signers)
            self.tracked[url, revision] = Tracked(url, wanted, sha)
            self._files[url, revision] = self.mirrors.files(url, sha)
        return self._files[url, revision]
