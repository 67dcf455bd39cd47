"""initial_sync: an empty cluster, and all Applications created at once, to the last object written.

The bare client runs before and after, each time in a fresh control plane with the same parts, and so does the engine;
one plane runs at a time. The ratio is to the median of the bare client's runs.
"""

from __future__ import annotations

from typing import Any

from bench.measure import PeakMemory
from bench.session import Session
from bench.stage import Stage


def run(session: Session) -> dict[str, Any]:
    """Measure with beat and 2 workers."""
    before = session.measure_raw()
    with Stage(session.fleet, session.say) as stage:
        stage.start_engine(workers=2)
        with PeakMemory(stage.processes) as memory:
            synced = session.sync(stage)
            stage.wait_settled()
            settled_cpu = stage.cpu()["engine"]
    after = session.measure_raw()
    raw = session.raw().create
    return {
        "apps": session.fleet.size,
        "objects": session.fleet.object_count,
        "seconds": round(synced.seconds, 2),
        "raw_client_seconds": [round(before.create, 2), round(after.create, 2)],
        "ratio_to_raw_client": round(synced.seconds / raw, 2),
        "cpu_s": round(synced.cpu["engine"], 2),
        "cpu_s_to_healthy": round(settled_cpu, 2),
        "cpu_s_by_part": {part: round(seconds, 2) for part, seconds in synced.cpu.items()},
        "peak_pss_mib": round(memory.peak, 1),
        "requests": dict(sorted(synced.requests.items(), key=lambda pair: -pair[1])),
    }
