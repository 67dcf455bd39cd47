"""What must happen in a child after a fork: locks are made anew, connections of the parent are let go."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    def after_fork(self) -> None:
        """Called in the child, with only its one thread running."""


_known: weakref.WeakSet[Forkable] = weakref.WeakSet()


def on_fork(thing: Forkable) -> None:
    """Have `thing.after_fork()` called in every child that is forked while `thing` is alive."""
    _known.add(thing)


def _in_child() -> None:
    for thing in list(_known):
        thing.after_fork()


os.register_at_fork(after_in_child=_in_child)
