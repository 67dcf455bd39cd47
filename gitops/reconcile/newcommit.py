"""Who looks at a new commit, and when: those whose files it touches at once, the others one after another.

An application whose files a commit does not touch has nothing to do but to say the new revision in its status. In a
monorepo these are nearly all, and their looks must not stand in the way of the few that matter.
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

#: Applications a second that look at a commit which does not touch them, and seconds until the first does.
PACE, START = 50.0, 1.0


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
    apps = sorted(user for user in users if not user.startswith(SET_PREFIX))
    at_once, later = users - set(apps), list[str]()
    known: dict[tuple[str, str], frozenset[str] | None] = {}
    for app, desired in zip(apps, state.apps.desired_of(apps), strict=True):
        if desired and not desired.error and not _touched(commit, desired, known):
            later.append(app)
        else:
            at_once.add(app)
    state.queue.want_look(at_once, Rank.DRIFT)
    now = time.time()
    state.due.hasten({app: now + START + number / PACE for number, app in enumerate(later)})


def _touched(commit: NewCommit, desired: DesiredState, known: dict[tuple[str, str], frozenset[str] | None]) -> bool:
    """Whether a commit changes a file that the last render read; True where that cannot be told cheaply.

    It decides only who comes first: whoever looks compares the content of his paths.
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
        if changed is None or any(_meets(path.strip("/"), changed) for path in inputs):
            return True
    return False


def _changed(commit: NewCommit, old: str, new: str) -> frozenset[str] | None:
    """The files that differ and all folders above them; None where a commit is not on this disk."""
    try:
        paths = commit.mirrors.changed_paths(commit.url, old, new)
    except GitOpsError:
        return None
    return None if paths is None else frozenset(part for path in paths for part in _upwards(path))


def _meets(path: str, changed: frozenset[str]) -> bool:
    """Whether a path, or something below or above it that is a file, is among the changed."""
    return path in ("", ".") or path in changed


def _upwards(path: str) -> Iterable[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
