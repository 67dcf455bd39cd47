"""no_change: cycles in which nothing changed, at a poll interval so short that every application comes due.

CPU of beat and workers is counted whole, so it holds what they use when nothing at all is due; that share, measured
with a poll interval that never ends, is told beside it, as is what follows for the interval that is the default.
MANY (default 5,000, 0 leaves it out) applications of one ConfigMap each are real ones too.
"""

from __future__ import annotations

import os
import time
from typing import Any

from bench import measure
from bench.fleet import SMALL, Fleet
from bench.measure import PeakMemory
from bench.session import Session
from bench.stage import Stage

INTERVAL = 20.0
DEFAULT_INTERVAL = 180.0
JITTER = 0.1
#: An interval that does not end within a run.
NEVER = "100000"
SAMPLE_SECONDS = 1.0


def run(session: Session) -> dict[str, Any]:
    """Measure the session's fleet, then a large one."""
    stage = session.managed()
    found: dict[str, Any] = {"apps": session.fleet.size, **cycle(session, stage, 24.0)}
    many = int(os.environ.get("MANY", "5000"))
    if many:
        found["many"] = large(session, many)
    stage.start_engine()
    return found


def cycle(session: Session, stage: Stage, window: float) -> dict[str, Any]:
    """One measurement of `window` seconds without and one with due applications; the engine is restarted for each."""
    idle, _, _ = _window(session, stage, window / 2, NEVER)
    cpu, checks, requests = _window(session, stage, window, str(INTERVAL))
    per_check = cpu / max(checks, 1)
    marginal = max(0.0, cpu - idle * 2) / max(checks, 1)
    return {
        "poll_interval_s": INTERVAL,
        "checks": checks,
        "cpu_ms_per_app": round(per_check * 1000, 3),
        "cpu_ms_per_app_above_idle": round(marginal * 1000, 3),
        "cpu_ms_per_app_at_180_s": round(
            (marginal + idle / (window / 2) * DEFAULT_INTERVAL / stage.fleet.size) * 1000, 3
        ),
        "idle_cores": round(idle / (window / 2), 4),
        "cores": round(cpu / window, 4),
        "api_requests_per_app": round(sum(requests.values()) / max(checks, 1), 4),
        "requests": requests,
    }


def _window(session: Session, stage: Stage, seconds: float, interval: str) -> tuple[float, int, dict[str, int]]:
    """(CPU seconds of the engine, due times that were claimed, its requests without watches)."""
    stage.stop_engine()
    stage.forget_due_times()
    stage.start_engine(GITOPS_POLL_INTERVAL=interval, GITOPS_POLL_JITTER=str(JITTER))
    # Beat's lists, what each worker process reads when it first has something to do, and a look at each application
    # that a restart may bring, are no cycle.
    time.sleep(INTERVAL * (1 + JITTER) if interval != NEVER else 10.0)
    stage.wait_settled()
    session.say(f"nothing changes for {seconds:g} s, poll interval {interval} s")
    processes = stage.processes()
    before, writes, due, checks = measure.cpu_seconds(processes), stage.writes(), stage.due_times(), 0
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(SAMPLE_SECONDS, left))
        now = stage.due_times()
        checks += sum(1 for app, at in now.items() if at != due.get(app))
        due = now
    cpu = measure.cpu_seconds(stage.processes()) - before
    writes.read()
    return cpu, checks, dict(writes.requests)


def large(session: Session, size: int) -> dict[str, Any]:
    """A fleet of small applications: the same cycle, and what the engine holds in memory meanwhile."""
    with Stage(Fleet(size, SMALL), session.say) as stage:
        stage.start_engine()
        with PeakMemory(stage.processes, interval=2.0) as memory:
            synced = session.sync(stage)
            stage.wait_settled()
            found = {"apps": size, "initial_sync_seconds": round(synced.seconds, 1), **cycle(session, stage, 24.0)}
            found["pss_mib"] = round(memory.stop(), 1)
    return found
