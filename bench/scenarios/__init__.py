"""One file for each key of results.json; each has `run(session)`, which returns the key's value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.scenarios import commit_to_all, commit_to_cluster, drift_to_heal, initial_sync, memory, no_change, workers
from bench.session import Session

#: In the order in which a whole run measures them: memory sees the peak of all that came before it.
SCENARIOS: dict[str, Callable[[Session], dict[str, Any]]] = {
    "initial_sync": initial_sync.run,
    "commit_to_cluster": commit_to_cluster.run,
    "drift_to_heal": drift_to_heal.run,
    "commit_to_all": commit_to_all.run,
    "memory": memory.run,
    "no_change": no_change.run,
    "workers": workers.run,
}
