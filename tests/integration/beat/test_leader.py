"""One beat leads; a standby takes over when it falls silent."""

from __future__ import annotations

import time

from beat.applications import ApplicationEars
from beat.leader import Leader
from gitops.cluster import Event
from gitops.model.objects import ObjectKey
from gitops.state import State
from gitops.state.lease import Fence
from gitops.state.live import REFUSED


class Recorder:
    """Ears that only count."""

    def __init__(self) -> None:
        self.started = self.stopped = 0
        self.fence: Fence | None = None

    def start(self, fence: Fence) -> None:
        self.started += 1
        self.fence = fence

    def stop(self) -> None:
        self.stopped += 1


def test_one_listens_and_the_standby_takes_over_when_the_lease_ends(state: State) -> None:
    first, second = Recorder(), Recorder()
    a, b = Leader(state, "a", first), Leader(state, "b", second)
    assert a.hold(time.time())
    assert not b.hold(time.time())
    assert (first.started, second.started) == (1, 0)
    deadline = time.monotonic() + 10 * state.lease.ttl
    while not b.hold(time.time()):  # a is silent from now on
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert second.started == 1
    assert not a.hold(time.time())
    assert first.stopped == 1, "the one that lost the lease stops listening"


def test_an_orderly_end_lets_the_standby_lead_at_once(state: State) -> None:
    a, b = Leader(state, "a", Recorder()), Leader(state, "b", Recorder())
    a.hold(time.time())
    a.close()
    assert b.hold(time.time())


def test_an_emptied_redis_makes_the_leader_list_everything_again(state: State) -> None:
    ears = Recorder()
    leader = Leader(state, "a", ears)
    leader.hold(time.time())
    state.redis.flushdb()
    assert leader.hold(time.time())
    assert (ears.started, ears.stopped) == (2, 1)


def test_a_paused_leader_that_comes_back_too_late_forgets_no_application_and_tells_of_no_object(state: State) -> None:
    key = ObjectKey("argoproj.io", "Application", "argocd", "a")
    first, second = Recorder(), Recorder()
    Leader(state, "a", first).hold(time.time())
    state.lease.drop("a")  # its time is over while it is paused
    Leader(state, "b", second).hold(time.time())
    state.redis.sadd(state.keys.apps, "argocd/a")
    assert first.fence
    assert second.fence

    ApplicationEars(state, first.fence).on_event(Event("DELETED", key, "7", {}))
    assert state.apps.ids() == {"argocd/a"}
    assert state.live.observe("argocd/a", key, 7, gone=True, fence=first.fence) == REFUSED

    ApplicationEars(state, second.fence).on_event(Event("DELETED", key, "7", {}))
    assert state.apps.ids() == set()
