"""Who looks at a new commit, and when: those whose files it touches at once, the others one after another.

An application whose files a commit does not touch has nothing to do but to say the new revision in its status. In a
monorepo these are nearly all: each commit would have hundreds of patches made by the workers and the API server before
the few that matter. So they follow at a pace that both hardly notice, or when they are due anyway.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from gitops.errors import GitOpsError
from gitops.source.git import Mirrors, Refs
from gitops.state import State
from gitops.state.apps import DesiredState
from gitops.state.queue import SET_PREFIX, Rank

#: Applications a second that look at commits which do not touch them, and seconds until the first does. Of hundreds,
#: most are due by themselves before their turn comes; however many commits come, the workers see no more than this.
PACE, START = 3.0, 1.0


@dataclass(frozen=True, slots=True)
class NewCommit:
    """A look that found a repository changed; `app` is the Application or ApplicationSet that looked."""

    mirrors: Mirrors
    url: str
    refs: Refs
    app: str


def tell(state: State, commit: NewCommit) -> None:
    """Let all others that use the repository look at it."""
    users = state.apps.users(commit.url) - {commit.app}
    sets = {user for user in users if user.startswith(SET_PREFIX)}
    gone = users - sets - state.apps.ids()
    state.apps.unlink(commit.url, gone)
    apps = sorted(users - sets - gone)
    concerned, others = sets, list[str]()
    known: dict[tuple[str, str], frozenset[str] | None] = {}
    for app, desired in zip(apps, state.apps.desired_of(apps), strict=True):
        if desired is None or desired.error or _touched(commit, desired, known):
            concerned.add(app)
        else:
            others.append(app)
    state.queue.want_look(concerned, Rank.DRIFT)
    state.due.in_turn(others, time.time() + START, PACE)


def _touched(commit: NewCommit, desired: DesiredState, known: dict[tuple[str, str], frozenset[str] | None]) -> bool:
    """Whether a commit changes a file that the last render read; True where that cannot be told cheaply.

    It decides only who comes first: whoever looks compares the content of his paths, and everybody looks in time.
    """
    inputs = [path for _params, *paths in desired.inputs for path in paths]
    for tracked in desired.tracked:
        if tracked.url != commit.url:
            continue
        new = commit.refs.resolve(tracked.ref)
        if not new:
            return True
        if new == tracked.revision:
            continue
        pair = tracked.revision, new
        if pair not in known:
            known[pair] = _changed(commit, *pair)
        changed = known[pair]
        if changed is None or any(path.strip("/") in changed for path in inputs):
            return True
    return False


def _changed(commit: NewCommit, old: str, new: str) -> frozenset[str] | None:
    """The files that differ and all folders above them, the root too; None where a commit is not on this disk."""
    try:
        paths = commit.mirrors.changed_paths(commit.url, old, new)
    except GitOpsError:
        return None
    return None if paths is None else frozenset({"", ".", *(part for path in paths for part in _upwards(path))})


def _upwards(path: str) -> Iterable[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
