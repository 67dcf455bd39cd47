"""drift_to_heal: a Deployment deleted or a ConfigMap edited by hand, to recreated or restored.

The clock runs from the API server's answer to the intruder to the watch event of the healed object. The next one waits
until the engine is idle again.
"""

from __future__ import annotations

import time
from typing import Any

from bench.figures import latencies
from bench.fleet import PATHS
from bench.session import Session
from bench.stage import Stage

SAMPLES = 30


def run(session: Session) -> dict[str, Any]:
    """Measure with the whole fleet managed."""
    stage, names = session.managed(), session.fleet.names
    chosen = [names[number * len(names) // SAMPLES] for number in range(SAMPLES)]
    deleted = _deleted(session, stage, chosen)
    edited = _edited(session, stage, chosen)
    return {
        "apps": session.fleet.size,
        "samples": len(deleted) + len(edited),
        **latencies(deleted + edited),
        "deleted": latencies(deleted),
        "edited": latencies(edited),
    }


def _deleted(session: Session, stage: Stage, names: list[str]) -> list[float]:
    taken = []
    with stage.watch("/apis/apps/v1/deployments") as watch:
        for name in names:
            expected = watch.expect(name, lambda kind, _: kind == "ADDED")
            path = PATHS["Deployment"].format(session.fleet.namespace(name), name)
            stage.cluster.api.request("DELETE", f"{path}?propagationPolicy=Background")
            answered = time.perf_counter()
            taken.append(max(0.0, expected.wait() - answered))
            session.say(f"deleted {len(taken)} of {len(names)}: {taken[-1] * 1000:.0f} ms")
            stage.wait_idle()
    stage.wait_settled()
    return taken


def _edited(session: Session, stage: Stage, names: list[str]) -> list[float]:
    taken = []
    with stage.watch("/api/v1/configmaps") as watch:
        for name in names:
            path = PATHS["ConfigMap"].format(session.fleet.namespace(name), name)
            colour = stage.cluster.api.request("GET", path)["data"]["COLOUR"]
            expected = watch.expect(
                name, lambda kind, obj, colour=colour: kind == "MODIFIED" and obj["data"]["COLOUR"] == colour
            )
            edit = {"data": {"COLOUR": "by hand"}}
            stage.cluster.api.request("PATCH", f"{path}?fieldManager=intruder", edit, "application/merge-patch+json")
            answered = time.perf_counter()
            taken.append(max(0.0, expected.wait() - answered))
            session.say(f"edited {len(taken)} of {len(names)}: {taken[-1] * 1000:.0f} ms")
            stage.wait_idle()
    return taken
