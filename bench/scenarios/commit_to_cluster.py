"""commit_to_cluster: a commit that touches one application of the monorepo, to its object changed.

The clock runs from the push's end, when the task that a webhook is equivalent to is called, to the watch event of the
changed ConfigMap. All applications share the repository. Those whose files a commit does not touch write the new
revision into their status at a pace of their own, also while the next commit comes.
"""

from __future__ import annotations

import time
from typing import Any

from bench.figures import latencies
from bench.session import Session

SAMPLES = 40
#: Seconds without a message before the next commit.
BREATH = 0.05


def run(session: Session) -> dict[str, Any]:
    """Measure with the whole fleet managed."""
    stage, fleet = session.managed(), session.fleet
    taken: list[float] = []
    cpu, writes = stage.cpu()["engine"], stage.writes()
    with stage.watch("/api/v1/configmaps") as watch:
        for number in range(SAMPLES):
            name = fleet.names[number * fleet.size // SAMPLES]
            colour = f"commit-{number}"
            expected = watch.expect(name, lambda _, obj, colour=colour: obj["data"]["COLOUR"] == colour)
            stage.repo.publish(fleet.files(name, colour=colour), f"{name} is {colour}")
            begun = time.perf_counter()
            stage.refresh(name)
            taken.append(expected.wait() - begun)
            session.say(f"commit {number + 1} of {SAMPLES}: {taken[-1] * 1000:.0f} ms")
            stage.wait_idle(BREATH)
    writes.read()
    return {
        "apps": fleet.size,
        "samples": len(taken),
        **latencies(taken),
        # With what the others' statuses cost meanwhile.
        "cpu_ms_per_commit": round((stage.cpu()["engine"] - cpu) / len(taken) * 1000, 1),
        "api_requests_per_commit": round(sum(writes.requests.values()) / len(taken), 1),
    }
