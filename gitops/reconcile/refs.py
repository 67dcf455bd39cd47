"""What a repository's refs point at now: one look per interval for all its applications, whoever asks first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from gitops.errors import GitOpsError, RepositoryError
from gitops.reconcile.newcommit import NewCommit, tell
from gitops.source.git import Mirrors, Refs
from gitops.state import State
from gitops.state.queue import Rank

#: Seconds that the end of a step waits for a look which it did not need.
LOOK_SECONDS = 30.0


class Waiting(GitOpsError):
    """Somebody else is looking at the repository; this application is told when that is done."""

    transient = True


@dataclass(slots=True)
class Ahead:
    """A look that goes on while the one who asked works with a branch's new commit already."""

    url: str
    app: str
    #: The revision that was asked for, and the commit that it was taken to be.
    wanted: str
    revision: str
    #: The look, to its end, whatever that is.
    look: Future[Refs]


@dataclass(slots=True)
class RefsReader:
    """Reads refs through Redis. `interval` in seconds, `owner` names this process."""

    state: State
    interval: float
    owner: str
    clock: Callable[[], float] = time.time
    #: Repositories whose looks found something new, and looks that were not waited for, until the end of `telling`.
    news: list[NewCommit] = field(default_factory=list)
    ahead: list[Ahead] = field(default_factory=list)
    #: A repository, a revision that was asked for last, and what it was noted to be.
    noted: tuple[str, str, str] = ("", "", "")
    #: How urgent the step is that reads: so urgent is what follows a look of somebody else that it has to wait for.
    rank: Rank = Rank.POLL

    def get(self, mirrors: Mirrors, url: str, app: str, wanted: str = "") -> Refs:
        """The refs as of at most one interval ago; `app` is the Application or ApplicationSet that asks.

        Where a push or a person asks for a look at a branch, `wanted`, its new commit is fetched first, and the look
        follows in a thread: what the others need to know does not hold up the one who is waited for.

        Raises RepositoryError (also for the rest of the interval after a look failed), or Waiting.
        """
        for ahead in self.ahead:
            if ahead.url == url:
                ahead.look.result()
        while True:
            known = self.state.refs.get(url, wanted)
            self.noted = (url, wanted, known.noted if known else "")
            if known and self.clock() - known.at < self.interval:
                if known.refs is None:
                    raise RepositoryError(known.error)
                return Refs.from_json(known.refs)
            if self.state.refs.lease(url, self.owner, ttl=90.0):
                break
            if self.state.refs.wait(url, app, self.rank):
                raise Waiting(f"{app} waits for a look at its repository")
        if wanted and known and known.refs and not known.at:
            former = Refs.from_json(known.refs)
            if branch := former.branch(wanted):
                return self._go_ahead(mirrors, url, app, wanted, former, branch)
        return self._look(mirrors, url, app)

    def note(self, url: str, wanted: str, revision: str) -> None:
        """Note what a wanted revision resolved to, for the claim of a due time, unless that is noted already."""
        if self.noted != (url, wanted, revision):
            self.state.refs.note(url, wanted, revision)

    def _go_ahead(self, mirrors: Mirrors, url: str, app: str, wanted: str, former: Refs, branch: str) -> Refs:
        """Fetch the branch and leave the look to a thread; a look alone where the branch does not come so."""
        try:
            revision = mirrors.fetch_tip(url, branch)
        except GitOpsError:
            revision = ""
        if not revision:
            return self._look(mirrors, url, app)
        look: Future[Refs] = Future()

        def run() -> None:
            try:
                look.set_result(self._look(mirrors, url, app, {wanted: former.names[branch]}))
            except BaseException as error:
                look.set_exception(error)

        self.ahead.append(Ahead(url, app, wanted, revision, look))
        threading.Thread(target=run, daemon=True, name="look").start()
        return former.moved(branch, revision)

    def _look(self, mirrors: Mirrors, url: str, app: str, was: Mapping[str, str] | None = None) -> Refs:
        try:
            refs = mirrors.refs(url)
            if self.state.refs.store(url, refs.to_json(), refs.resolve, was):
                self.news.append(NewCommit(mirrors, url, refs, app))
        except RepositoryError as error:
            self.state.refs.fail(url, str(error))
            raise
        finally:
            for rank, apps in self.state.refs.free(url, self.owner).items():
                self.state.queue.want_look(apps, rank)
        return refs

    @contextmanager
    def telling(self) -> Iterator[None]:
        """At the end, let everybody look who uses a repository in which a look found something new.

        Who asked first for a commit is done with his own by then, its comparison and sync too, and sees it first.
        """
        try:
            yield
        finally:
            while self.ahead:
                self._catch_up(self.ahead.pop())
            while self.news:
                tell(self.state, self.news.pop())

    def _catch_up(self, ahead: Ahead) -> None:
        """Wait for a look's end. Where it knows a newer commit than the one that was worked with, that one is next."""
        try:
            newest = ahead.look.result(LOOK_SECONDS).resolve(ahead.wanted)
        except (GitOpsError, TimeoutError):
            # Whoever looks next says why; the commit that was fetched is a good one all the same.
            return
        if newest and newest != ahead.revision:
            self.state.refs.note(ahead.url, ahead.wanted, newest)
            self.state.queue.want_look({ahead.app}, Rank.DRIFT)
