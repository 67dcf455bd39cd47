"""One due time for each application; a slot is claimed once."""

from __future__ import annotations

import pytest

from gitops.state import State
from gitops.state.apps import DesiredState
from gitops.state.due import GONE, JOINED, PUBLISHED, UNCHANGED, Tracked

NOW = 1_000_000.0
TRACKED = (Tracked("https://git/repo", "HEAD", "abc"),)


def settled(state: State, app: str = "argocd/a") -> None:
    """An application whose last run served everything there was."""
    state.refs.store("https://git/repo", b"refs", lambda _ref: "abc")
    state.refs.note("https://git/repo", "HEAD", "abc")
    state.redis.hset(state.keys.refs("https://git/repo"), "at", NOW - 1)
    state.apps.set_fields(app, spec="s", done="s", dirty="3", seen="3", full=str(NOW + 100))
    state.due.add(app, NOW, at_once=True)


def test_first_times_are_spread_over_the_interval(state: State) -> None:
    for n in range(500):
        state.due.add(f"argocd/app-{n}", NOW)
    scores = [s for _, s in state.redis.zrange(state.keys.due, 0, -1, withscores=True)]
    tenth = state.due.interval / 10
    fullest = max(sum(NOW + i * tenth <= s < NOW + (i + 1) * tenth for s in scores) for i in range(10))
    assert fullest < 100
    assert min(scores) >= NOW
    assert max(scores) < NOW + state.due.interval


def test_who_is_in_no_hurry_comes_at_a_pace_however_often_that_is_asked_for(state: State) -> None:
    apps = [f"argocd/app-{n}" for n in range(30)]
    for app in apps:
        state.due.add(app, NOW)
    state.redis.zadd(state.keys.due, dict.fromkeys(apps, NOW + state.due.interval))
    looks = 0
    for second in range(60):
        now = NOW + second
        state.due.in_turn(apps, now, 5.0)
        for app in state.due.peek(now, 1000):
            looks += 1
            state.redis.zadd(state.keys.due, {app: now + state.due.interval})
    assert looks == pytest.approx(60 * 5, abs=10)
    # Nobody is kept waiting for longer than without it.
    assert len(state.due.peek(now + state.due.interval, 1000)) == 30


def test_who_is_due_before_his_turn_comes_then(state: State) -> None:
    state.due.add("argocd/a", NOW, at_once=True)
    state.due.add("argocd/b", NOW + 50, at_once=True)
    state.due.in_turn(["argocd/gone", "argocd/a", "argocd/b"], NOW + 10, 1.0)
    assert state.redis.zrange(state.keys.due, 0, -1, withscores=True) == [(b"argocd/a", NOW), (b"argocd/b", NOW + 10)]


def test_a_slot_is_claimed_once_however_many_beats_run(state: State) -> None:
    state.due.add("argocd/a", NOW, at_once=True)
    assert [state.due.claim("argocd/a", NOW, ()) for _ in range(3)] == [PUBLISHED, GONE, GONE]


def test_a_slot_joins_the_message_that_waits_since_the_last_one(state: State) -> None:
    state.due.add("argocd/a", NOW, at_once=True)
    state.due.claim("argocd/a", NOW, ())
    later = NOW + 2 * state.due.interval
    assert state.due.claim("argocd/a", later, ()) == JOINED
    assert state.queue.depths()["fetch"] == 1


def test_where_nothing_can_have_changed_no_message_is_sent(state: State) -> None:
    settled(state)
    assert state.due.claim("argocd/a", NOW, TRACKED) == UNCHANGED
    assert state.queue.depths()["fetch"] == 0
    assert state.due.peek(NOW + 1, 10) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [("spec changed", {"spec": "t"}), ("drift", {"dirty": "4"}), ("full comparison due", {"full": str(NOW - 1)})],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_whatever_changed_sends_a_message(state: State, change: str, field: dict[str, str]) -> None:
    settled(state)
    state.apps.set_fields("argocd/a", **field)
    assert state.due.claim("argocd/a", NOW, TRACKED) == PUBLISHED, change


def test_a_moved_branch_or_an_old_look_sends_a_message(state: State) -> None:
    settled(state)
    assert state.due.claim("argocd/a", NOW, (Tracked("https://git/repo", "HEAD", "older"),)) == PUBLISHED
    settled(state, "argocd/b")
    state.refs.expire("https://git/repo")
    assert state.due.claim("argocd/b", NOW, TRACKED) == PUBLISHED


def test_what_began_before_a_change_of_the_configuration_does_not_count(state: State) -> None:
    """A fetch or a comparison that ends after the change, and knows of it in part, leaves the look to be made."""
    settled(state)
    anew = state.apps.flags("argocd/a").anew
    state.due.stale({"argocd/a": NOW})
    assert not state.apps.set_compared("argocd/a", anew, "", done="s", full=str(NOW + 100))
    assert (state.apps.flags("argocd/a").done, state.apps.flags("argocd/a").full) == ("", 0.0)

    # It was compared since then, with what was made before.
    anew = state.apps.flags("argocd/a").anew
    assert state.apps.set_compared("argocd/a", anew, "", done="s", full=str(NOW + 100))
    assert state.due.claim("argocd/a", NOW, TRACKED) == PUBLISHED

    state.apps.set_desired("argocd/a", DesiredState(), anew)
    state.due.add("argocd/a", NOW, at_once=True)
    assert state.due.claim("argocd/a", NOW, TRACKED) == UNCHANGED

    # The configuration is another, and beat has not yet found whom that concerns.
    state.redis.incr(state.keys.config)
    assert not state.apps.set_compared("argocd/a", anew, "", done="s", full=str(NOW + 100))
    assert (state.apps.flags("argocd/a").done, state.apps.flags("argocd/a").full) == ("", 0.0)
    assert state.apps.set_compared("argocd/a", anew, "1", done="s", full=str(NOW + 100))
