"""Beats share what is followed: each has its part, one that dies is replaced, and what it still says counts no more."""

from __future__ import annotations

import time

from beat.sharing import Shard, Share, shards_of
from gitops.model.objects import ObjectKey
from gitops.state import State
from gitops.state.lease import Fence
from gitops.state.live import PUBLISHED, REFUSED

SHARDS = [Shard(server, part) for server in ("https://one", "https://two") for part in range(2)]
KEY = ObjectKey("", "ConfigMap", "shop", "settings")


def settled(*shares: Share) -> list[dict[Shard, Fence]]:
    """What each holds once all have had their turns."""
    for _ in range(3):
        for share in shares:
            share.turn(SHARDS)
            share.give_up()
    return [share.held for share in shares]


def test_each_kind_of_each_cluster_is_in_one_shard() -> None:
    kinds = {
        "https://one": {("", "ConfigMap"), ("apps", "Deployment"), ("", "Service")},
        "https://two": {("", "Secret")},
    }
    shards = shards_of(kinds, 2)
    for server, in_use in kinds.items():
        parts = [found for shard, found in shards.items() if shard.server == server]
        assert sorted(kind for part in parts for kind in part) == sorted(in_use)
    assert shards_of(kinds, 1).keys() == {Shard("https://one", 0), Shard("https://two", 0)}


def test_alone_a_beat_follows_everything_and_two_share_it_evenly(state: State) -> None:
    one, two = Share(state, "one"), Share(state, "two")
    assert settled(one)[0].keys() == set(SHARDS)
    first, second = settled(one, two)
    assert len(first) == len(second) == len(SHARDS) / 2
    assert first.keys() | second.keys() == set(SHARDS)


def test_what_a_dead_beat_followed_is_taken_over_under_a_greater_token(state: State) -> None:
    dead, living = Share(state, "dead"), Share(state, "living")
    lost = settled(dead, living)[0]
    deadline = time.monotonic() + 10 * state.shards.ttl
    while living.turn(SHARDS).keys() != set(SHARDS):  # the other is silent from now on
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert all(living.held[shard].token > fence.token for shard, fence in lost.items())


def test_what_a_beat_says_after_it_lost_its_shard_changes_nothing(state: State) -> None:
    shard = str(SHARDS[0])
    stale = state.shards.hold(shard, "paused")
    assert stale
    assert state.live.observe("argocd/a", KEY, 10, fence=stale) == PUBLISHED
    state.shards.drop(shard, "paused")
    fresh = state.shards.hold(shard, "successor")
    assert fresh
    state.live.observe("argocd/a", KEY, 12, fence=fresh)
    assert state.live.observe("argocd/a", KEY, 11, fence=stale) == REFUSED
    assert state.live.observe("argocd/a", KEY, 11, gone=True, fence=stale) == REFUSED
    assert state.live.snapshot("argocd/a").observed == {KEY: 12}


def test_an_orderly_end_leaves_its_shards_to_the_others_at_once(state: State) -> None:
    one, two = Share(state, "one"), Share(state, "two")
    settled(one, two)
    one.end()
    assert two.turn(SHARDS).keys() == set(SHARDS)


def test_an_emptied_redis_makes_everybody_begin_anew(state: State) -> None:
    share = Share(state, "one")
    before = settled(share)[0]
    state.redis.flushdb()
    after = share.turn(SHARDS)
    assert all(after[shard].token > before[shard].token for shard in SHARDS)
