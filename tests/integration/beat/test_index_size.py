"""The live index grows with the objects that there are, and with nothing else."""

from __future__ import annotations

from beat.objects import ObjectEars
from bench.index import EACH, application_of, event_of, fill, measure
from gitops.state import State

COUNT = 500
#: What docs/scale.md says of beat and of Redis, and a good part more, in bytes for each object.
IN_BEAT, IN_REDIS = 512, 1024


def keys(state: State) -> dict[bytes, int]:
    """Bytes of each key of the index."""
    found = [k for pattern in ("obs:*", "cmp:*") for k in state.redis.scan_iter(f"{state.keys.prefix}{pattern}")]
    return {key: int(state.redis.memory_usage(key) or 0) for key in found}


def test_an_object_costs_what_the_manual_says_however_often_it_changes(redis_url: str) -> None:
    once = measure(redis_url, COUNT, rounds=1)
    often = measure(redis_url, COUNT, rounds=6)
    for beat, stored in (once, often):
        assert beat < IN_BEAT
        assert stored < IN_REDIS


def test_the_index_of_objects_that_changed_a_hundred_times_is_as_large_as_that_of_new_ones(state: State) -> None:
    owners: dict[str, str] = {}
    ears = ObjectEars(state, "https://cluster", lambda obj: owners[obj["metadata"]["name"]])
    fill(state, ears, owners, EACH, 1_000_000)
    fresh = keys(state)
    for turn in range(100):
        for number in range(EACH):
            ears.on_event(event_of(number, 2_000_000 + turn * EACH + number))
        ears.tell()
    assert keys(state) == fresh
    assert len(ears) == EACH


def test_what_is_deleted_leaves_nothing_behind(state: State) -> None:
    owners: dict[str, str] = {}
    ears = ObjectEars(state, "https://cluster", lambda obj: owners[obj["metadata"]["name"]])
    fill(state, ears, owners, EACH, 1_000_000)
    for number in range(EACH):
        ears.on_event(event_of(number, 3_000_000)._replace(type="DELETED"))
    ears.tell()
    assert len(ears) == 0
    state.apps.forget(application_of(0))
    assert keys(state) == {}
