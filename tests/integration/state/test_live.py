"""The live index: drift is what the engine did not write itself."""

from __future__ import annotations

from dataclasses import replace

from gitops.model.objects import ObjectKey
from gitops.state import State
from gitops.state.live import ECHO, JOINED, LEFT, PUBLISHED, PUT_OFF, Note
from gitops.state.locks import CLUSTER

KEY = ObjectKey("apps", "Deployment", "shop", "web")
APP = "argocd/a"


def note(version: int) -> Note:
    return Note(version, "digest", synced=True, version="v1")


def compared(state: State, version: int) -> None:
    state.live.settle(APP, state.live.snapshot(APP).dirty, {KEY: note(version)})


def test_what_was_compared_at_this_version_is_an_echo(state: State) -> None:
    compared(state, 10)
    assert state.live.observe(APP, KEY, 10) == ECHO
    assert state.live.observe(APP, KEY, 9) == ECHO
    assert state.queue.depths()["diff-urgent"] == 0


def test_a_newer_version_is_compared_at_once_and_further_ones_join(state: State) -> None:
    compared(state, 10)
    assert state.live.observe(APP, KEY, 11) == PUBLISHED
    assert state.live.observe(APP, KEY, 12) == JOINED
    assert state.live.snapshot(APP).observed == {KEY: 12}


def test_a_change_of_status_alone_is_compared_a_moment_later(state: State) -> None:
    compared(state, 10)
    assert state.live.observe(APP, KEY, 11, quiet=True, later=500.0) == PUT_OFF
    assert state.live.due_soon(499.0) == []
    assert state.live.due_soon(500.0) == [APP]
    assert state.live.due_soon(500.0) == []


def test_the_deletion_of_a_compared_object_is_drift_and_that_of_another_is_not(state: State) -> None:
    compared(state, 10)
    assert state.live.observe(APP, KEY, 11, gone=True) == PUBLISHED
    assert state.live.snapshot(APP).observed == {KEY: -11}
    assert state.live.observe(APP, KEY._replace(name="other"), 12, gone=True) == ECHO


def test_while_somebody_works_on_the_application_he_is_asked_to_look_again(state: State) -> None:
    state.workers.say_alive("w1")
    lock = state.locks.acquire(CLUSTER, APP, worker="w1", message_id="m1", task="diff")
    dirty = state.live.snapshot(APP).dirty
    assert state.live.observe(APP, KEY, 11) == LEFT
    assert state.live.settle(APP, dirty, {KEY: note(10)}), "the watcher saw 11, 10 was compared"
    assert lock


def test_the_echo_of_our_own_write_that_came_before_its_note_needs_no_second_look(state: State) -> None:
    state.workers.say_alive("w1")
    state.locks.acquire(CLUSTER, APP, worker="w1", message_id="m1", task="apply")
    dirty = state.live.snapshot(APP).dirty
    state.live.observe(APP, KEY, 11)
    assert not state.live.settle(APP, dirty, {KEY: note(11)})
    flags = state.apps.flags(APP)
    assert flags.dirty == flags.seen


def test_an_operation_under_way_is_woken_instead(state: State) -> None:
    state.operations.put(APP, b"position")
    assert state.live.observe(APP, KEY, 11) == PUBLISHED
    assert state.queue.depths()["apply-urgent"] == 1
    assert state.queue.depths()["diff-urgent"] == 0


def test_a_forgotten_object_leaves_nothing_behind(state: State) -> None:
    compared(state, 10)
    state.live.observe(APP, KEY, 11, gone=True)
    state.live.settle(APP, state.live.snapshot(APP).dirty, {KEY: None})
    snapshot = state.live.snapshot(APP)
    assert snapshot.observed == {}
    assert snapshot.compared == {}


def test_what_is_heard_between_the_last_look_and_the_release_is_looked_at_after_it(state: State) -> None:
    state.workers.say_alive("w1")
    lock = state.locks.acquire(CLUSTER, APP, worker="w1", message_id="m1", task="diff")
    assert lock
    state.live.settle(APP, state.live.snapshot(APP).dirty, {KEY: note(10)})
    state.live.observe(APP, KEY, 11)
    assert state.queue.depths()["diff-urgent"] == 0
    state.locks.release(lock)
    assert state.queue.depths()["diff-urgent"] == 1


def test_an_operation_hears_it_too(state: State) -> None:
    state.workers.say_alive("w1")
    lock = state.locks.acquire(CLUSTER, APP, worker="w1", message_id="m1", task="apply")
    assert lock
    state.operations.put(APP, b"position")
    state.live.settle(APP, state.live.snapshot(APP).dirty, {KEY: note(10)})
    state.live.observe(APP, KEY, 11)
    state.locks.release(lock)
    depths = state.queue.depths()
    assert (depths["apply-urgent"], depths["diff-urgent"]) == (1, 0)


def test_what_was_heard_and_looked_at_asks_for_nothing_at_the_release(state: State) -> None:
    state.workers.say_alive("w1")
    lock = state.locks.acquire(CLUSTER, APP, worker="w1", message_id="m1", task="apply")
    assert lock
    dirty = state.live.snapshot(APP).dirty
    state.live.observe(APP, KEY, 11)
    assert not state.live.settle(APP, dirty, {KEY: note(11)})
    state.locks.release(lock)
    assert sum(state.queue.depths().values()) == 0


def test_what_is_seen_meanwhile_of_an_object_that_nobody_noted_is_looked_at_too(state: State) -> None:
    state.workers.say_alive("w1")
    state.locks.acquire(CLUSTER, APP, worker="w1", message_id="m1", task="apply")
    dirty = state.live.snapshot(APP).dirty
    state.live.observe(APP, KEY, 11)
    assert state.live.settle(APP, dirty, {}), "an operation may wait for it"
    assert not state.live.settle(APP, state.live.snapshot(APP).dirty, {}), "once looked at it asks for nothing more"


def test_a_later_look_does_not_put_off_a_sooner_one(state: State) -> None:
    state.live.compare_at(APP, 500.0)
    state.live.compare_at(APP, 900.0)
    assert state.live.due_soon(500.0) == [APP]


def test_a_note_comes_back_as_it_was(state: State) -> None:
    notes = [replace(note(10), shared="other"), replace(note(10), extra=True, uncounted=True), note(10)]
    for kept in notes:
        state.live.settle(APP, "0", {KEY: kept})
        assert state.live.snapshot(APP).compared == {KEY: kept}


def test_the_strays_of_a_namespace_are_listed_by_one_at_a_time_and_believed_for_a_while(state: State) -> None:
    assert state.strays.get("https://a", "shop") is None
    assert state.strays.claim("https://a", "shop")
    assert not state.strays.claim("https://a", "shop")
    state.strays.put("https://a", "shop", [KEY], seconds=60)
    state.strays.release("https://a", "shop")
    assert state.strays.get("https://a", "shop") == [KEY]
    assert state.strays.get("https://b", "shop") is None


def test_what_is_on_one_cluster_says_nothing_of_another(state: State) -> None:
    """An application that moves leaves its objects where they were; their changes go on to be heard."""
    far = "https://far.example"
    compared(state, 10)
    state.live.observe(APP, KEY, 10)
    assert state.live.snapshot(APP, far).observed == state.live.snapshot(APP, far).compared == {}
    dirty = state.live.snapshot(APP, far).dirty
    state.live.observe(APP, KEY, 7, server=far)
    assert state.live.snapshot(APP).observed == {KEY: 10}
    assert state.live.snapshot(APP, far).observed == {KEY: 7}
    assert not state.live.settle(APP, dirty, {KEY: note(10)}), "7 is newer than what was compared, but elsewhere"
    assert state.live.settle(APP, dirty, {}, far)
    state.live.settle(APP, dirty, {KEY: note(7)}, far)
    assert state.live.compared_of([APP], far) == {APP: {KEY: 7}}
    assert state.live.compared_of([APP]) == {APP: {KEY: 10}}
    state.live.settle(APP, dirty, {KEY: None}, far)
    assert state.live.compared_of([APP], far) == {APP: {}}
    assert state.live.observed_of([APP]) == {APP: {KEY: 10}}
