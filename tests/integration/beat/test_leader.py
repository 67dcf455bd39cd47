"""One beat leads; a standby takes over when it falls silent."""

from __future__ import annotations

import time

from beat.leader import Leader
from gitops.state import State


class Recorder:
    """Ears that only count."""

    def __init__(self) -> None:
        self.started = self.stopped = 0

    def start(self) -> None:
        self.started += 1

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
