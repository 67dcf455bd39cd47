"""One in-flight limit for all workers of a cluster."""

from __future__ import annotations

from gitops.state import State
from gitops.state.inflight import Inflight

CLUSTER = "https://cluster"


def test_all_batches_together_stay_under_the_limit(state: State) -> None:
    granted = [state.inflight.take(CLUSTER, 10, f"h{n}") for n in range(3)]
    assert granted == [10, 6, 0]
    state.inflight.give_back(CLUSTER, "h0", throttled=False, slow=False)
    assert state.inflight.take(CLUSTER, 10, "h3") == 10


def test_a_throttling_server_halves_it_and_a_calm_one_lets_it_grow(state: State) -> None:
    assert state.inflight.give_back(CLUSTER, "h", throttled=True, slow=False) == Inflight.START // 2
    assert state.inflight.give_back(CLUSTER, "h", throttled=True, slow=False) == 8, "at most once a second"
    for _ in range(400):
        limit = state.inflight.give_back(CLUSTER, "h", throttled=False, slow=False)
    assert limit == Inflight.CEILING


def test_slots_of_a_holder_that_died_come_back(state: State) -> None:
    state.inflight.take(CLUSTER, 16, "dead")
    key = state.keys.inflight(CLUSTER)
    state.redis.hset(key, "h:dead", "16|1")
    assert state.inflight.take(CLUSTER, 4, "h") == 4


def test_one_lease_one_leader_and_a_token_that_grows(state: State) -> None:
    first = state.lease.hold("a", 1000.0)
    assert first
    assert state.lease.hold("b", 1000.0) == 0
    assert state.lease.hold("a", 1001.0) == first
    assert state.lease.leader() == "a"
    state.lease.drop("a")
    assert state.lease.hold("b", 1001.0) > first
