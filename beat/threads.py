"""The threads that follow clusters: begun together, and waited for at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Thread

#: Seconds that one thread is waited for; it is a daemon, and holds nobody up after that.
PATIENCE = 5.0


def begin(targets: Mapping[str, Callable[[], object]]) -> list[Thread]:
    """Start a daemon thread for each name."""
    threads = [Thread(target=target, name=name, daemon=True) for name, target in targets.items()]
    for thread in threads:
        thread.start()
    return threads


def join(threads: Iterable[Thread]) -> None:
    """Wait for them, each for a while; they have been told to end."""
    for thread in threads:
        thread.join(timeout=PATIENCE)
