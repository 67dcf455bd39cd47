"""How much of a cluster's requests in flight one application asks for."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from gitops.reconcile.operate import CROWDED, CROWDED_SECONDS, SHARE, share
from gitops.sync import STEP_TASKS


def engine(busy: int) -> Any:
    return SimpleNamespace(crowded_until=0.0, state=SimpleNamespace(workers=SimpleNamespace(busy=lambda: busy)))


@pytest.mark.parametrize(
    ("tasks", "alone", "crowded"), [(0, 1, 1), (3, 3, 3), (STEP_TASKS, SHARE, SHARE), (STEP_TASKS + 1, SHARE, CROWDED)]
)
def test_a_large_one_leaves_the_others_theirs(tasks: int, alone: int, crowded: int) -> None:
    assert share(engine(busy=1), tasks) == alone
    assert share(engine(busy=2), tasks) == crowded


def test_for_some_seconds_after_the_others_were_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, now = engine(busy=2), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert share(seen, 5_000) == CROWDED
    seen.state.workers.busy = lambda: 1
    assert share(seen, 5_000) == CROWDED
    now += CROWDED_SECONDS
    assert share(seen, 5_000) == SHARE
