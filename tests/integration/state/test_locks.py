"""At most one holder per application, by a lock with a fencing token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from gitops.errors import LockLost
from gitops.settings import Settings
from gitops.state import State
from gitops.state.envelope import envelope, told_of
from gitops.state.locks import CLUSTER, SOURCE, Lock
from gitops.state.queue import APPLY, DIFF, FETCH, Rank

Waiting = Callable[[str], list[dict[str, str]]]


def take(state: State, worker: str, message: str, task: str = DIFF, lane: str = CLUSTER) -> Lock | None:
    return state.locks.acquire(lane, "argocd/a", worker=worker, message_id=message, task=task)


def test_one_holder_at_a_time_and_one_lane_does_not_hinder_the_other(state: State) -> None:
    state.workers.say_alive("w1")
    assert take(state, "w1", "m1")
    assert take(state, "w2", "m2") is None
    assert take(state, "w2", "m3", lane=SOURCE)


def test_what_was_wished_for_while_it_was_held_is_published_at_its_release(state: State, waiting: Waiting) -> None:
    state.workers.say_alive("w1")
    lock = take(state, "w1", "m1")
    assert lock
    assert take(state, "w2", "m2", APPLY) is None
    assert waiting("apply-urgent") == []
    assert state.locks.release(lock)
    assert [m["task"] for m in waiting("apply-urgent")] == ["apply"]
    assert waiting("diff-urgent") == []


def test_the_lock_of_a_dead_worker_is_taken_over_and_its_bearer_is_fenced_off(state: State) -> None:
    first = take(state, "dead", "m1")
    state.workers.say_alive("w2")
    second = take(state, "w2", "m2")
    assert first
    assert second
    assert second.token > first.token
    state.locks.check(second)
    with pytest.raises(LockLost):
        state.locks.check(first)
    assert not state.locks.release(first)
    state.locks.check(second)


def test_a_redelivered_message_takes_over_from_its_first_bearer(state: State) -> None:
    state.workers.say_alive("w1")
    first, second = take(state, "w1", "m1"), take(state, "w2", "m1")
    assert first
    assert second
    with pytest.raises(LockLost):
        state.locks.check(first)


def test_tokens_grow_also_after_redis_was_emptied(state: State) -> None:
    before = take(state, "w1", "m1")
    state.redis.flushdb()
    after = take(state, "w1", "m2")
    assert before
    assert after
    assert after.token > before.token


def test_what_a_dead_worker_had_begun_is_wished_for_again(state: State, waiting: Waiting) -> None:
    state.workers.say_alive("w1")
    state.scripts.together([state.workers.beginning("w1", "m1", "apply", "argocd/a")])
    assert state.workers.reap() == 0
    state.workers.leave("w1")
    assert state.workers.reap() == 1
    assert [m["app"] for m in waiting("apply-urgent")] == ["argocd/a"]
    assert state.workers.reap() == 0


def test_busy_is_what_living_workers_have_begun(state: State) -> None:
    for worker, message in (("w1", "m1"), ("w1", "m2"), ("w2", "m3")):
        state.workers.say_alive(worker)
        state.scripts.together([state.workers.beginning(worker, message, "apply", f"argocd/{message}")])
    assert state.workers.busy() == 3
    state.workers.ended("w1", "m1")
    assert state.workers.busy() == 2
    state.workers.leave("w2")
    assert state.workers.busy() == 1


def test_what_a_dead_worker_had_taken_and_not_begun_is_wished_for_again(redis_url: str, waiting: Waiting) -> None:
    """The message itself comes back after the visibility timeout only, and till then it would take in every wish."""
    state = State(Settings(redis_url=redis_url, seal_key="of the test"), envelope)
    broker = Connection(redis_url, transport_options={"global_keyprefix": state.keys.prefix, "priority_steps": [0]})
    state.workers.say_alive("w1")
    state.workers.say_alive("w2")
    state.queue.want(FETCH, "argocd/a", Rank.DRIFT)
    with broker as connection:
        taken = connection.default_channel.basic_get("fetch-urgent")
        assert taken
        assert not state.queue.want(FETCH, "argocd/a", Rank.DRIFT)
        assert state.workers.reap() == 0, "nobody has died: its worker will begin it"
        state.workers.leave("w1")
        assert state.workers.reap() == 1
        (again,) = (told_of(message) for message in waiting("fetch-urgent"))
        assert again
        assert again[:2] == ("fetch", "argocd/a")
        assert again[2] != taken.headers["id"]
        state.workers.leave("w2")
        assert state.workers.reap() == 0, "it has been wished for once"
        connection.default_channel.basic_ack(taken.delivery_tag)


@pytest.mark.parametrize("arguments", [{"args": ["a"]}, {"kwargs": {"application": "a"}}], ids=str)
def test_what_people_asked_for_of_a_dead_worker_waits_again_at_once(
    redis_url: str, state: State, arguments: dict[str, Any]
) -> None:
    options = {"global_keyprefix": state.keys.prefix, "priority_steps": [0]}
    celery = Celery(broker=redis_url)
    celery.conf.broker_transport_options = options
    state.workers.say_alive("w1")
    asked = celery.send_task("gitops.sync", queue="apply-urgent", **arguments)
    with Connection(redis_url, transport_options=options) as connection:
        channel = connection.default_channel
        assert channel.basic_get("apply-urgent")
        assert state.workers.reap() == 0, "nobody has died"
        state.workers.leave("w1")
        assert state.workers.reap() == 1
        again = channel.basic_get("apply-urgent")
        assert again.headers["id"] == asked.id
        assert again.headers["redelivered"]
        assert again.payload[:2] == [arguments.get("args", []), arguments.get("kwargs", {})]
        channel.basic_ack(again.delivery_tag)
        state.workers.say_alive("w2")
        state.workers.leave("w2")
        assert state.workers.reap() == 0
        assert channel.basic_get("apply-urgent") is None
