"""commit_to_all: a commit that changes a label of every object of every application, to the last object written.

The bare client changes the same label of the same objects, in a plane whose Pods run.
"""

from __future__ import annotations

import time
from typing import Any

from bench.session import Session
from bench.stage import PATIENCE


def run(session: Session) -> dict[str, Any]:
    """Measure with the whole fleet managed."""
    raw = session.raw().change
    stage, fleet = session.managed(), session.fleet
    stage.repo.publish(fleet.monorepo(release="two"), "release two")
    stage.wait_idle()
    before, writes = stage.cpu(), stage.writes()
    begun = time.time()
    stage.refresh(fleet.names[0])
    total = fleet.object_count
    last = writes.wait(total, PATIENCE, lambda done: session.say(f"commit to all: {done} of {total} objects"))
    after = stage.cpu()
    stage.wait_settled()
    return {
        "apps": fleet.size,
        "objects": total,
        "seconds": round(last - begun, 2),
        "raw_client_seconds": round(raw, 2),
        "ratio_to_raw_client": round((last - begun) / raw, 2),
        "cpu_s": round(after["engine"] - before["engine"], 2),
        "cpu_s_by_part": {part: round(after[part] - before[part], 2) for part in after},
        "requests": dict(sorted(writes.requests.items(), key=lambda pair: -pair[1])),
    }
