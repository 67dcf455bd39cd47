"""memory: the largest sum of proportional set sizes of beat, 2 workers and all that they started.

It is sampled every second from the start of the engine, through the initial sync and whatever else was measured on it.
"""

from __future__ import annotations

from typing import Any

from bench import measure
from bench.session import Session


def run(session: Session) -> dict[str, Any]:
    """The peak so far, and what is held now that nothing is to be done."""
    peak = session.memory()
    stage = session.managed()
    stage.wait_idle()
    each = {pid: measure.pss_mib([pid]) for pid in stage.processes()}
    names = {pid: _role(measure.command(pid)) for pid in each}
    return {
        "apps": session.fleet.size,
        "pss_mib": round(peak.peak, 1),
        "processes_at_peak": peak.shape[0],
        "largest_process_mib": round(peak.shape[1], 1),
        "idle_pss_mib": round(sum(each.values()), 1),
        "idle_by_process": sorted(([names[pid], round(mib, 1)] for pid, mib in each.items()), key=str),
    }


def _role(command: str) -> str:
    words = command.split(" ")
    return next((role for role in ("beat", "worker") if role in words), " ".join(words[:4]) or "ended")
