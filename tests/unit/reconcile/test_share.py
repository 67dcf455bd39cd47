"""How much of a cluster's requests in flight one operation asks for."""

from __future__ import annotations

import time

import pytest

from gitops.reconcile.share import CROWDED_SECONDS, SHARE, Pace, Shares
from gitops.sync import STEP_TASKS

SERVER = "https://cluster.example"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time.monotonic() says; a test moves it on."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def shares(busy: int) -> Shares:
    return Shares(lambda: busy)


@pytest.mark.parametrize(
    ("tasks", "alone", "crowded"), [(0, 1, 1), (3, 3, 3), (STEP_TASKS, SHARE, SHARE), (STEP_TASKS + 1, SHARE, 1)]
)
def test_a_large_one_leaves_the_others_theirs(tasks: int, alone: int, crowded: int) -> None:
    assert shares(busy=1).of(SERVER, tasks) == alone
    assert shares(busy=2).of(SERVER, tasks) == crowded


def test_for_some_seconds_after_the_others_were_seen(clock: list[float]) -> None:
    at_work = 2
    seen = Shares(lambda: at_work)
    assert seen.of(SERVER, 5_000) == 1
    at_work = 1
    assert seen.of(SERVER, 5_000) == 1
    clock[0] += CROWDED_SECONDS
    assert seen.of(SERVER, 5_000) == SHARE


def test_one_that_the_same_process_has_just_worked_on_is_another(clock: list[float]) -> None:
    made = shares(busy=1)
    made.seen("argocd/large")
    assert made.of(SERVER, 5_000) == SHARE
    made.seen("argocd/small")
    clock[0] += 1.0
    made.seen("argocd/large")
    assert made.of(SERVER, 5_000) == 1
    clock[0] += CROWDED_SECONDS
    made.seen("argocd/large")
    assert made.of(SERVER, 5_000) == SHARE


def steps(pace: Pace, at_once: int, count: int, seconds: float = 0.005) -> list[int]:
    """The requests in flight of so many steps, on a cluster that answers so many at once and lets the rest wait."""
    held = []
    for _ in range(count):
        held.append(pace.slots)
        pace.took(pace.slots, seconds * max(1.0, pace.slots / at_once))
    return held


def test_a_cluster_that_answers_them_side_by_side_is_given_all() -> None:
    assert steps(Pace(), at_once=32, count=SHARE) == list(range(1, SHARE + 1))


def test_a_cluster_that_answers_one_at_a_time_is_seldom_asked_for_two() -> None:
    held = steps(Pace(), at_once=1, count=100)
    assert set(held) == {1, 2}
    assert held.count(2) < 10


def test_objects_that_take_longer_are_no_queue() -> None:
    pace = Pace()
    steps(pace, at_once=32, count=SHARE)
    steps(pace, at_once=32, count=20, seconds=0.02)
    assert pace.slots > SHARE // 2


def test_a_step_that_was_made_alone_tells_nothing() -> None:
    made = shares(busy=2)
    made.took(SERVER, 5_000, slots=SHARE, seconds=0.2)
    assert made.of(SERVER, 5_000) == 1
    made.took(SERVER, 5_000, slots=1, seconds=0.005)
    assert made.of(SERVER, 5_000) == 2
