"""Scripts and commands in one round trip; Redis may forget a script at any time."""

from __future__ import annotations

import pytest
import redis

from gitops.state import State
from gitops.state.queue import FETCH
from gitops.state.scripts import Call, Scripts

APPS = ["argocd/a", "argocd/b"]


def wishes(state: State) -> list[Call]:
    queues = state.queue.lists(FETCH)
    return [Call("want", [state.keys.app(app), *queues], [FETCH, 0, f"id-{app}", "message"]) for app in APPS]


def test_answers_come_in_order(state: State) -> None:
    scripts, key = Scripts(state.redis), state.keys.app("argocd/c")
    first, second, *answers = scripts.together([*wishes(state), ("HSET", key, "seen", "3"), ("HGETALL", key)])
    assert (first, second) == (1, 1)
    assert answers == [1, {b"seen": b"3"}]


def test_nothing_to_call_is_no_request(state: State) -> None:
    assert Scripts(state.redis).together([]) == []


@pytest.mark.parametrize("many", [True, False])
def test_a_script_that_redis_has_forgotten_runs_all_the_same(state: State, many: bool) -> None:
    calls = wishes(state) if many else wishes(state)[:1]
    state.redis.script_flush()
    assert Scripts(state.redis).together(calls) == [1] * len(calls)
    assert state.queue.depths()["fetch"] == len(calls)


def test_an_answer_that_is_an_error_is_raised(state: State) -> None:
    key = state.keys.app("argocd/c")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        Scripts(state.redis).together([("HSET", key, "seen", "3"), ("INCR", key)])
