"""A worker that finds its application's lock gone stops, says so, and is counted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gitops.observe import REGISTRY
from gitops.settings import Settings
from gitops.state import Entry, State
from gitops.state.locks import CLUSTER
from workers import runtime, tasks


def test_a_lost_lock_is_counted(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(redis_url=redis_url, seal_key="of the test", data_dir=tmp_path)
    state = State(settings)

    def compare(entry: Entry) -> None:
        state.locks.check(entry.lock)
        # As when its time is over, or another worker takes it from one that seems dead.
        state.redis.delete(state.keys.lock(CLUSTER, entry.app))
        state.locks.check(entry.lock)
        raise AssertionError("it went on without its lock")

    engine = SimpleNamespace(
        settings=settings, state=state, refs=SimpleNamespace(), outcome="", compare=compare, report=lambda *_: None
    )
    monkeypatch.setattr(runtime, "engine", lambda: engine)
    before = REGISTRY.get_sample_value("gitops_locks_lost_total") or 0.0
    answer = tasks.diff.apply(args=["argocd/shop"]).get()
    assert answer.startswith("failed: another worker has taken over argocd/shop")
    assert REGISTRY.get_sample_value("gitops_locks_lost_total") == before + 1
    assert REGISTRY.get_sample_value("gitops_task_failures_total", {"task": "diff", "reason": "LockLost"})
