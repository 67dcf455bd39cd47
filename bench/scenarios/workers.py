"""workers: the initial sync with 1, 2 and 4 workers, each in a fresh control plane, and who used the CPU meanwhile."""

from __future__ import annotations

from typing import Any

from bench.session import Session
from bench.stage import Stage

COUNTS = (1, 2, 4)


def run(session: Session) -> dict[str, Any]:
    """Measure each; shares are of the CPU seconds of all parts together."""
    found: dict[str, Any] = {"apps": session.fleet.size}
    for count in COUNTS:
        with Stage(session.fleet, session.say) as stage:
            stage.start_engine(workers=count)
            synced = session.sync(stage)
        total = sum(synced.cpu.values()) or 1.0
        found[str(count)] = {
            "seconds": round(synced.seconds, 2),
            "applications_per_second": round(session.fleet.size / synced.seconds, 1),
            "cpu_s": round(synced.cpu["engine"], 2),
            "cpu_shares": {part: round(seconds / total, 3) for part, seconds in synced.cpu.items()},
        }
    return found
