"""What API servers answered: counted for the metrics, and remembered where a server had too much to do."""

from __future__ import annotations

from collections import Counter

from gitops.cluster import Observer
from gitops.observe.requests import api_observer

#: A server that has too much to do says one of these.
BUSY = frozenset({429, 503})


class Answers:
    """Observers of requests, one for each server."""

    def __init__(self) -> None:
        self._busy: Counter[str] = Counter()

    def observer(self, server: str) -> Observer:
        """What the client of `server` calls after each answer."""
        counted = api_observer(server)

        def observe(verb: str, code: int, seconds: float, path: str) -> None:
            counted(verb, code, seconds, path)
            if code in BUSY:
                self._busy[server] += 1

        return observe

    def busy(self, server: str) -> int:
        """How often this process was told so by `server`; requests that were repeated since count too."""
        return self._busy[server]
