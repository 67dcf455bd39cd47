"""What was deleted while nobody listened is found by the first list."""

from __future__ import annotations

from beat.objects import ObjectEars
from gitops.cluster import Event
from gitops.model.names import IN_CLUSTER_SERVER
from gitops.model.objects import Object, ObjectKey
from gitops.state import State
from gitops.state.live import Note

APP = "argocd/a"
KEY = ObjectKey("", "ConfigMap", "shop", "settings")
KINDS = {("", "ConfigMap")}


def ears(state: State) -> ObjectEars:
    state.redis.sadd(state.keys.apps, APP)
    return ObjectEars(state, IN_CLUSTER_SERVER, lambda _obj: APP)


def compared(state: State, version: int = 10) -> None:
    note = Note(version, "digest", synced=True, version="v1")
    state.live.settle(APP, state.live.snapshot(APP).dirty, {KEY: note})


def listed(version: int = 10) -> Event:
    obj: Object = {"metadata": {"name": KEY.name, "namespace": KEY.namespace, "resourceVersion": str(version)}}
    return Event("ADDED", KEY, str(version), obj)


def test_an_object_compared_before_its_kind_was_watched_and_gone_since_is_looked_for(state: State) -> None:
    compared(state)
    ears(state).sweep(KINDS)
    assert state.queue.depths()["diff-urgent"] == 1


def test_an_object_that_the_list_had_needs_no_look(state: State) -> None:
    compared(state)
    listening = ears(state)
    listening.on_event(listed())
    listening.tell()
    listening.sweep(KINDS)
    assert state.queue.depths()["diff-urgent"] == 0


def test_an_object_that_lives_on_without_our_label_is_read_once(state: State) -> None:
    compared(state)
    ears(state).sweep(KINDS)
    snapshot = state.live.snapshot(APP)
    note = Note(10, "digest", synced=True, version="v1")  # read again: it is as it was
    assert not state.live.settle(APP, snapshot.dirty, {KEY: note}), "no further look is asked for"


def test_kinds_that_are_not_listed_yet_are_left_alone(state: State) -> None:
    compared(state)
    ears(state).sweep({("apps", "Deployment")})
    assert state.queue.depths()["diff-urgent"] == 0
