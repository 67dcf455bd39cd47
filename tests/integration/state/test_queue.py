"""At most one message per (task, application) waits."""

from __future__ import annotations

from collections.abc import Callable

from gitops.state import State
from gitops.state.queue import APPLY, DIFF, FETCH, QUEUES, TASKS, Rank, queue_of

Waiting = Callable[[str], list[dict[str, str]]]


def test_a_second_wish_joins_the_message_that_waits(state: State, waiting: Waiting) -> None:
    assert state.queue.want(FETCH, "argocd/a")
    assert not state.queue.want(FETCH, "argocd/a")
    assert [m["app"] for m in waiting("fetch")] == ["argocd/a"]


def test_a_wish_that_comes_while_its_task_runs_gets_a_message_of_its_own(state: State, waiting: Waiting) -> None:
    state.queue.want(FETCH, "argocd/a")
    message = waiting("fetch")[0]
    state.redis.rpop(state.keys.queue("fetch"))
    assert state.queue.begin(FETCH, "argocd/a", message["id"])
    assert state.queue.want(FETCH, "argocd/a")


def test_a_message_that_comes_again_is_known_as_such(state: State, waiting: Waiting) -> None:
    state.queue.want(FETCH, "argocd/a")
    message_id = waiting("fetch")[0]["id"]
    assert state.queue.begin(FETCH, "argocd/a", message_id)
    assert not state.queue.begin(FETCH, "argocd/a", message_id)


def test_a_more_urgent_wish_moves_the_message_up_and_doubles_nothing(state: State, waiting: Waiting) -> None:
    state.queue.want(FETCH, "argocd/a", Rank.POLL)
    state.queue.want(FETCH, "argocd/a", Rank.WEBHOOK)
    assert waiting("fetch") == []
    assert [m["app"] for m in waiting("fetch-urgent")] == ["argocd/a"]
    state.queue.want(FETCH, "argocd/a", Rank.POLL)
    assert sum(state.queue.depths().values()) == 1


def test_a_person_is_served_before_a_push_and_a_push_before_a_poll(state: State, waiting: Waiting) -> None:
    state.queue.want(FETCH, "argocd/poll", Rank.POLL)
    state.queue.want(FETCH, "argocd/push", Rank.WEBHOOK)
    state.queue.want(FETCH, "argocd/person", Rank.PERSON)
    served = [m["app"] for queue in QUEUES for m in waiting(queue)]
    assert served == ["argocd/person", "argocd/push", "argocd/poll"]


def test_a_message_that_was_lost_on_its_way_to_a_worker_does_not_silence_the_next_wish(
    state: State, waiting: Waiting
) -> None:
    for rank in (Rank.POLL, Rank.PERSON):
        assert state.queue.want(FETCH, "argocd/a", rank)
        # Redis has given it away, and the connection broke before the worker could note that it has it.
        queue = state.keys.queue(queue_of(FETCH, rank))
        message = state.redis.rpop(queue)
        state.redis.hset(state.keys.taken, "tag", message)
        assert not state.queue.want(FETCH, "argocd/a", rank), "a worker that has taken it will begin with it"
        state.redis.hdel(state.keys.taken, "tag")
        assert state.queue.want(FETCH, "argocd/a", rank)
        assert len(waiting(queue_of(FETCH, rank))) == 1
        assert state.redis.delete(queue) == 1


def test_no_queue_outgrows_the_number_of_applications(state: State) -> None:
    apps = [f"argocd/app-{n}" for n in range(20)]
    for turn in range(1000):
        for task in TASKS:
            state.queue.want(task, apps[turn % len(apps)], Rank(turn % 4))
    depths = state.queue.depths()
    for task in TASKS:
        assert depths[task] + depths[f"{task}-urgent"] == len(apps)


def test_many_wishes_are_one_round_trip_and_coalesce_too(state: State) -> None:
    apps = [f"argocd/{n}" for n in range(50)]
    assert state.queue.want_all(DIFF, apps) == 50
    assert state.queue.want_all(DIFF, [*apps, "argocd/new"]) == 1


def test_queues_are_served_by_urgency_and_what_was_put_off_comes_last() -> None:
    assert QUEUES.index("apply-urgent") < QUEUES.index("fetch-urgent") < QUEUES.index("diff-urgent")
    assert QUEUES.index("diff-urgent") < QUEUES.index(APPLY) < QUEUES.index(FETCH) < QUEUES.index(DIFF)
