"""Changes that come close to one another are told in one round trip; the first after a pause is told at once."""

from __future__ import annotations

import time
from math import inf

import pytest
import redis

from beat.telling import QUIET_SECONDS, TOGETHER_SECONDS, Change, Telling
from gitops.model.names import IN_CLUSTER_SERVER
from gitops.model.objects import ObjectKey
from gitops.state import State
from gitops.state.live import Note

APP = "argocd/a"
KEY = ObjectKey("apps", "Deployment", "shop", "web")
OTHER = ObjectKey("", "ConfigMap", "shop", "settings")


@pytest.fixture
def telling(state: State) -> Telling:
    return Telling(state.live, IN_CLUSTER_SERVER, None)


def observed(state: State) -> dict[ObjectKey, int]:
    return state.live.snapshot(APP).observed


def test_the_first_change_after_a_pause_is_told_at_once(state: State, telling: Telling) -> None:
    telling.add(APP, KEY, Change(7))
    assert telling.tell(time.monotonic()) == inf
    assert observed(state) == {KEY: 7}
    assert state.queue.depths()["diff-urgent"] == 1


def test_what_comes_right_after_it_waits_a_moment_for_more(state: State, telling: Telling) -> None:
    telling.add(APP, KEY, Change(7))
    telling.tell(time.monotonic())
    telling.add(APP, KEY, Change(8))
    telling.add(APP, OTHER, Change(9))
    assert 0 < telling.tell(time.monotonic()) <= TOGETHER_SECONDS
    assert observed(state) == {KEY: 7}
    assert telling.tell(time.monotonic() + TOGETHER_SECONDS) == inf
    assert observed(state) == {KEY: 8, OTHER: 9}


def test_of_an_object_only_the_newest_is_told(state: State, telling: Telling) -> None:
    state.live.settle(APP, "0", {KEY: Note(1, "digest", synced=True, version="apps/v1")})
    telling.add(APP, KEY, Change(7))
    telling.add(APP, KEY, Change(8, gone=True))
    telling.tell()
    assert observed(state) == {KEY: -8}
    assert state.redis.hget(state.keys.app(APP), "dirty") == b"1"


def test_a_change_of_the_status_alone_may_wait_and_is_compared_later(state: State, telling: Telling) -> None:
    telling.add(APP, KEY, Change(7, quiet=True, later=1000.0))
    assert 0 < telling.tell(time.monotonic()) <= QUIET_SECONDS
    telling.add(APP, KEY, Change(8, quiet=True, later=1000.4))
    assert telling.tell(time.monotonic() + QUIET_SECONDS) == inf
    assert observed(state) == {KEY: 8}
    assert state.queue.depths()["diff-urgent"] == 0
    assert state.redis.zscore(state.keys.soon, APP) == 1000.0


@pytest.mark.parametrize("quiet_first", [True, False])
def test_a_change_of_the_spec_among_those_of_the_status_does_not_wait(
    state: State, telling: Telling, quiet_first: bool
) -> None:
    telling.add(APP, KEY, Change(7, quiet=quiet_first, later=1000.0))
    telling.add(APP, KEY, Change(8, quiet=not quiet_first, later=1000.0))
    assert telling.tell(time.monotonic()) == inf
    assert observed(state) == {KEY: 8}
    assert state.queue.depths()["diff-urgent"] == 1


def test_what_redis_did_not_take_is_told_again_and_only_the_newest_is_kept(
    state: State, telling: Telling, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_calls: object) -> list[int]:
        raise redis.ConnectionError("Redis is away")

    with monkeypatch.context() as away:
        away.setattr(state.live, "observe_all", refuse)
        for version in range(100):
            telling.add(APP, KEY, Change(version))
            assert telling.tell() > 0
        assert telling.tell(time.monotonic()) > 0, "not again at once"
    assert len(telling) == 1
    assert "of 1 objects of https://kubernetes.default.svc (Redis is away); it is told again" in caplog.text
    assert telling.tell() == inf
    assert observed(state) == {KEY: 99}


def test_of_one_who_has_lost_the_lease_nothing_counts(state: State) -> None:
    fence = state.lease.fence(state.lease.hold("former", time.time()))
    telling = Telling(state.live, IN_CLUSTER_SERVER, fence)
    state.lease.drop("former")
    state.lease.hold("next", time.time())
    telling.add(APP, KEY, Change(7))
    assert telling.tell() == inf
    assert observed(state) == {}
