"""The clock publishes what is due, once, and the queues stay bounded however long the workers are away."""

from __future__ import annotations

from beat.clock import BATCH, Clock
from gitops.state import State
from gitops.state.due import PUBLISHED, UNCHANGED
from gitops.state.queue import QUEUES, TASKS, Rank

NOW = 2_000_000.0


def follow(state: State, count: int) -> list[str]:
    apps = [f"argocd/app-{n:05}" for n in range(count)]
    for app in apps:
        state.due.add(app, NOW)
        state.redis.sadd(state.keys.apps, app)
    return apps


def test_in_one_interval_each_application_is_published_once(state: State) -> None:
    apps = follow(state, 300)
    clock = Clock(state)
    step = state.due.interval / 60
    for tick in range(1, 61):
        clock.tick(NOW + tick * step)
    assert clock.claims[PUBLISHED] == len(apps)
    assert state.queue.depths()["fetch"] == len(apps)


def test_two_clocks_share_the_slots_and_double_none(state: State) -> None:
    apps = follow(state, 200)
    one, two = Clock(state), Clock(state)
    for tick in range(1, 61):
        now = NOW + tick * state.due.interval / 60
        one.tick(now)
        two.tick(now)
    assert one.claims[PUBLISHED] + two.claims[PUBLISHED] == len(apps)


def test_after_an_outage_the_longest_overdue_go_first_in_bounded_batches(state: State) -> None:
    follow(state, BATCH + 50)
    clock = Clock(state)
    late = NOW + 10 * state.due.interval
    assert clock.tick(late) == 0.0, "there is more to do at once"
    assert clock.claims[PUBLISHED] == BATCH
    clock.tick(late)
    assert clock.claims[PUBLISHED] == BATCH + 50
    clock.tick(late)
    assert clock.claims[PUBLISHED] == BATCH + 50, "missed slots are not caught up"


def test_a_thousand_ticks_with_the_workers_away_leave_one_message_per_task_and_application(state: State) -> None:
    apps = follow(state, 40)
    clock = Clock(state)
    for tick in range(1000):
        clock.tick(NOW + tick * state.due.interval / 7)
        state.queue.want("fetch", apps[tick % 40], Rank.WEBHOOK)
        state.queue.want("diff", apps[(tick * 3) % 40], Rank.DRIFT)
        state.queue.want("apply", apps[(tick * 7) % 40], Rank.PERSON)
    depths = state.queue.depths()
    assert all(depths[name] <= len(apps) for name in QUEUES)
    for task in TASKS:
        assert depths[task] + depths[f"{task}-urgent"] == len(apps)


def test_a_parked_operation_is_woken_when_its_time_has_come(state: State) -> None:
    state.operations.park("argocd/a", NOW + 5)
    clock = Clock(state)
    clock.tick(NOW + 4)
    assert state.queue.depths()["apply"] == 0
    clock.tick(NOW + 5)
    assert state.queue.depths()["apply"] == 1


def test_a_quiet_fleet_sends_no_message(state: State) -> None:
    from gitops.state.apps import DesiredState
    from gitops.state.due import Tracked

    apps = follow(state, 50)
    state.refs.store("https://git/mono", b"refs", lambda _ref: "abc")
    state.refs.note("https://git/mono", "HEAD", "abc")
    state.redis.hset(state.keys.refs("https://git/mono"), "at", NOW + state.due.interval)
    tracked = (Tracked("https://git/mono", "HEAD", "abc"),)
    for app in apps:
        state.apps.set_desired(app, DesiredState(spec="s", artifact="a", tracked=tracked))
        state.apps.set_fields(app, spec="s", done="s", full=str(NOW + 10 * state.due.interval))
    clock = Clock(state)
    for tick in range(1, 61):
        clock.tick(NOW + tick * state.due.interval / 60)
    assert clock.claims[UNCHANGED] >= len(apps)
    assert clock.claims[PUBLISHED] == 0
    assert sum(state.queue.depths().values()) == 0


def test_a_clock_that_dies_amid_the_interval_loses_no_slot_and_doubles_none(state: State) -> None:
    apps = follow(state, 200)
    dying, standby = Clock(state), Clock(state)
    for tick in range(1, 61):
        now = NOW + tick * state.due.interval / 60
        if tick <= 25:
            dying.tick(now)
        if tick > 35:  # nobody claims in between
            standby.tick(now)
    assert dying.claims[PUBLISHED] + standby.claims[PUBLISHED] == len(apps)
    assert state.queue.depths()["fetch"] == len(apps)
