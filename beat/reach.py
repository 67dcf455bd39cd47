"""Which clusters answer: asked beside the watches, since a watch that hears nothing looks like a cluster at rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

from gitops.cluster import ClusterClient
from gitops.cluster.parallel import run_parallel
from gitops.errors import ClusterError, GitOpsError

#: Seconds between two questions, and until one counts as not answered.
EVERY, PATIENCE = 10.0, 5.0


class Reach:
    """Asks each cluster for its version. `client(server)` gives the client of a cluster."""

    def __init__(self, client: Callable[[str], ClusterClient]) -> None:
        self._client = client
        self._found: dict[str, tuple[str, bool]] = {}

    def run(self, servers: Callable[[], Sequence[str]], stopped: Event) -> None:
        """Ask all of `servers()`, again and again until stopped."""
        while True:
            asked = servers()
            self.ask(asked)
            if stopped.wait(EVERY if asked else EVERY / 10):
                return

    def ask(self, servers: Sequence[str]) -> None:
        """Ask each once, all at the same time; what is known of others is forgotten."""
        answers = {outcome.item: outcome.value or "" for outcome in run_parallel(self._version, servers)}
        self._found = {
            server: (version or self._found.get(server, ("", False))[0], bool(version))
            for server, version in answers.items()
        }

    def of(self, server: str) -> tuple[str, bool] | None:
        """The version of a cluster, and whether it answered lately; None where it has not been asked yet."""
        return self._found.get(server)

    def _version(self, server: str) -> str:
        try:
            answer = self._client(server).raw("GET", "/version", timeout=PATIENCE).json()
        except GitOpsError:
            return ""
        if not isinstance(answer, dict):
            raise ClusterError(f"cluster {server} does not tell its version; check for a proxy in between")
        return str(answer.get("gitVersion") or "")
