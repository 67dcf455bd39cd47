"""What a repository's refs point at now: one look per interval for all its applications, whoever asks first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gitops.errors import GitOpsError, RepositoryError
from gitops.reconcile.newcommit import NewCommit, tell
from gitops.source.git import Mirrors, Refs
from gitops.state import State


class Waiting(GitOpsError):
    """Somebody else is looking at the repository; this application is told when that is done."""

    transient = True


@dataclass(slots=True)
class RefsReader:
    """Reads refs through Redis. `interval` in seconds, `owner` names this process."""

    state: State
    interval: float
    owner: str
    clock: Callable[[], float] = time.time
    #: Repositories whose looks found something new, until the end of `telling`.
    news: list[NewCommit] = field(default_factory=list)

    def get(self, mirrors: Mirrors, url: str, app: str) -> Refs:
        """The refs as of at most one interval ago; `app` is the Application or ApplicationSet that asks.

        Raises RepositoryError (also for the rest of the interval after a look failed), or Waiting.
        """
        known = self.state.refs.get(url)
        if known and self.clock() - known.at < self.interval:
            if known.refs is None:
                raise RepositoryError(known.error)
            return Refs.from_json(known.refs)
        if not self.state.refs.lease(url, self.owner, ttl=90.0):
            self.state.refs.wait(url, app)
            raise Waiting(f"{app} waits for a look at its repository")
        try:
            return self._look(mirrors, url, app)
        finally:
            self.state.queue.want_look(self.state.refs.free(url, self.owner))

    def _look(self, mirrors: Mirrors, url: str, app: str) -> Refs:
        try:
            refs = mirrors.refs(url)
        except RepositoryError as error:
            self.state.refs.fail(url, str(error))
            raise
        if self.state.refs.store(url, refs.to_json(), refs.resolve):
            self.news.append(NewCommit(mirrors, url, refs, app))
        return refs

    @contextmanager
    def telling(self) -> Iterator[None]:
        """At the end, let everybody look who uses a repository in which a look found something new.

        Who asked first for a commit is done with his own by then, its comparison and sync too, and sees it first.
        """
        try:
            yield
        finally:
            while self.news:
                tell(self.state, self.news.pop())
