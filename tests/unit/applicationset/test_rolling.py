"""RollingSync: step by step, each healthy before the next, and no more at once than a step permits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.applicationset import requeue_after
from gitops.applicationset.rolling import (
    HEALTHY,
    PENDING,
    PROGRESSING,
    WAITING,
    deleted_first,
    deletes_in_reverse,
    managed,
    operation,
    roll,
    steps_of,
)
from gitops.errors import InvalidSpecError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SOURCE = {"repoURL": "https://git.example.com/x", "path": "."}


def appset(*steps, status=()):
    return {
        "metadata": {"name": "set", "namespace": "argocd"},
        "spec": {"strategy": {"type": "RollingSync", "rollingSync": {"steps": list(steps)}}},
        "status": {"applicationStatus": list(status)},
    }


def step(value, most=None):
    expression = {"key": "env", "operator": "In", "values": [value]}
    return {"matchExpressions": [expression]} | ({"maxUpdate": most} if most is not None else {})


def app(name, env, sync="OutOfSync", health="Healthy", revision="r1", operated=None, phase="Succeeded"):
    state = {"phase": phase, "startedAt": operated.isoformat().replace("+00:00", "Z")} if operated else {}
    compared = {"source": SOURCE, "destination": {}}
    return {
        "metadata": {"name": name, "namespace": "argocd", "labels": {"env": env}},
        "spec": {"source": SOURCE, "destination": {}},
        "status": {
            "sync": {"status": sync, "revision": revision, "comparedTo": compared},
            "health": {"status": health},
            "operationState": state,
        },
    }


TWO = (step("dev"), step("prod"))


def go(apps, steps=TWO, status=(), now=NOW, stale=()):
    held = appset(*steps, status=status)
    return roll(held, steps_of(held), apps, now, stale)


def states(rollout):
    return {entry["application"]: entry["status"] for entry in rollout.statuses}


def test_the_second_step_waits_for_the_first():
    first = go([app("d", "dev"), app("p", "prod")])
    assert states(first) == {"d": PENDING, "p": WAITING}
    assert first.start == ("d",)
    assert not first.complete
    later = NOW + timedelta(seconds=5)
    synced = app("d", "dev", "Synced", "Progressing", operated=later)
    second = go([synced, app("p", "prod")], status=first.statuses, now=later)
    assert states(second) == {"d": PROGRESSING, "p": WAITING}
    assert second.start == ()
    healthy = app("d", "dev", "Synced", operated=later)
    third = go([healthy, app("p", "prod")], status=second.statuses, now=later)
    assert states(third) == {"d": HEALTHY, "p": PENDING}
    assert third.start == ("p",)
    done = go([healthy, app("p", "prod", "Synced", operated=later)], status=third.statuses, now=later)
    assert done.complete


def test_what_failed_holds_up_the_rest():
    first = go([app("d", "dev"), app("p", "prod")])
    failed = app("d", "dev", operated=NOW, phase="Failed")
    second = go([failed, app("p", "prod")], status=first.statuses)
    assert states(second) == {"d": PROGRESSING, "p": WAITING}
    assert second.start == ()
    # Another commit is another chance.
    mended = app("d", "dev", operated=NOW, phase="Failed", revision="r2")
    third = go([mended, app("p", "prod")], status=second.statuses, now=NOW + timedelta(seconds=9))
    assert third.start == ("d",)


@pytest.mark.parametrize(("most", "started"), [(None, 5), (2, 2), ("2", 2), ("50%", 2), ("1%", 1), (0, 0), ("0%", 0)])
def test_no_more_at_once_than_a_step_permits(most, started):
    apps = [app(f"d{n}", "dev") for n in range(5)]
    first = go(apps, steps=(step("dev", most),))
    assert len(first.start) == started
    assert go(apps, steps=(step("dev", most),), status=first.statuses, now=NOW).start == first.start


def test_an_application_whose_status_is_of_before_holds_up_the_next_step():
    """The second step heard of the commit first: the first one goes first all the same."""
    before = go([app("d", "dev", "Synced"), app("p", "prod", "Synced")])
    assert before.complete
    heard = app("p", "prod", revision="r2")
    told = go([app("d", "dev", "Synced"), heard], status=before.statuses, stale=("d",))
    assert states(told) == {"d": WAITING, "p": WAITING}
    assert told.start == ()
    changed = app("d", "dev", "Synced")
    changed["spec"] = {**changed["spec"], "source": {**SOURCE, "targetRevision": "v2"}}
    assert go([changed, heard], status=before.statuses).start == ()


def test_who_is_pending_and_was_not_asked_is_asked():
    first = go([app("d", "dev")])
    assert go([app("d", "dev")], status=first.statuses).start == ("d",)
    asked = app("d", "dev") | {"operation": {"sync": {}}}
    assert go([asked], status=first.statuses).start == ()


def test_what_no_step_has_is_left_to_people():
    rollout = go([app("o", "other"), app("d", "dev", "Synced")])
    assert rollout.start == ()
    assert rollout.complete
    assert {entry["application"]: entry["step"] for entry in rollout.statuses} == {"o": "-1", "d": "1"}


def test_the_rollout_decides_and_the_applications_own_policy_is_off():
    policy = {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["CreateNamespace=true"]}
    made = managed({"metadata": {}, "spec": {"syncPolicy": policy}})
    assert made["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True, "enabled": False}
    asked = operation(made)
    assert asked["sync"] == {"prune": True, "syncOptions": ["CreateNamespace=true"]}
    assert asked["initiatedBy"] == {"username": "applicationset-controller", "automated": True}


@pytest.mark.parametrize(
    ("strategy", "sentence"),
    [
        ({"type": "Sideways"}, "'Sideways' is neither AllAtOnce nor RollingSync"),
        ({"type": "RollingSync"}, "has no steps"),
        (
            {"type": "RollingSync", "rollingSync": {"steps": [{"matchExpressions": [{"operator": "Exists"}]}]}},
            "step 1 of RollingSync: operator 'Exists' is not In or NotIn",
        ),
        ({"type": "RollingSync", "rollingSync": {"steps": [{"maxUpdate": "half"}]}}, "maxUpdate 'half' is neither"),
        ({"type": "RollingSync", "rollingSync": {"steps": [{"maxUpdate": -1}]}}, "maxUpdate -1 is neither"),
    ],
)
def test_mistakes_are_one_sentence(strategy, sentence):
    with pytest.raises(InvalidSpecError, match=sentence):
        steps_of({"spec": {"strategy": strategy}})


def test_without_a_rolling_strategy_there_are_no_steps():
    assert steps_of({"spec": {}}) == steps_of({"spec": {"strategy": {"type": "AllAtOnce"}}}) == ()


@given(st.lists(st.sampled_from(["dev", "prod"]), min_size=1, max_size=6), st.sampled_from([None, 1, 2, "50%"]))
def test_every_rollout_ends_in_order(envs, most):
    steps = (step("dev", most), step("prod", most))
    apps = {f"a{n}": app(f"a{n}", env) for n, env in enumerate(envs)}
    status, now, order = (), NOW, []
    for _ in range(40):
        now += timedelta(seconds=1)
        rollout = go(list(apps.values()), steps=steps, status=status, now=now)
        status = rollout.statuses
        for name in rollout.start:
            order.append(apps[name]["metadata"]["labels"]["env"])
            apps[name] = app(name, order[-1], "Synced", operated=now)
        if rollout.complete:
            break
    assert rollout.complete
    assert order == sorted(order)
    assert len(order) == len(envs), "each is synced once"


def test_the_shortest_requeue_counts_nested_ones_too():
    inner = {"git": {"requeueAfterSeconds": 30}}
    outer = {"matrix": {"generators": [inner, {"list": {}}]}}
    assert requeue_after([outer, {"git": {"requeueAfterSeconds": 60}}]) == 30
    assert requeue_after([{"list": {}}, {"git": {"requeueAfterSeconds": 0}}]) is None


def test_applications_go_in_the_reverse_order_of_the_steps():
    held = appset(*TWO)
    apps = [app("o", "other"), app("d1", "dev"), app("p", "prod"), app("d2", "dev")]
    order = []
    while apps:
        going = deleted_first(steps_of(held), apps)
        order.append([obj["metadata"]["name"] for obj in going])
        apps = [obj for obj in apps if obj not in going]
    assert order == [["p"], ["d1", "d2"], ["o"]]


def test_the_order_of_deletion_has_a_meaning_with_rolling_sync_alone():
    held = appset(*TWO)
    assert not deletes_in_reverse(held)
    held["spec"]["strategy"]["deletionOrder"] = "Reverse"
    assert deletes_in_reverse(held)
    held["spec"]["strategy"]["type"] = "AllAtOnce"
    assert not deletes_in_reverse(held)
    held["spec"]["strategy"]["deletionOrder"] = "Sideways"
    with pytest.raises(InvalidSpecError, match="deletionOrder 'Sideways' is neither AllAtOnce nor Reverse"):
        deletes_in_reverse(held)
