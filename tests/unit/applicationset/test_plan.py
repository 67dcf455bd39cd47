"""What is created, updated and deleted, and what the conditions say."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.applicationset import Inputs, Policy, conditions, generate, reconcile_plan
from gitops.errors import InvalidSpecError

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def appset(*names, **spec):
    elements = [{"name": name} for name in names]
    template = {"metadata": {"name": "{{name}}"}, "spec": {"project": "default", "source": {"targetRevision": "HEAD"}}}
    return {
        "metadata": {"name": "set", "namespace": "argocd", "uid": "u1"},
        "spec": {"generators": [{"list": {"elements": elements}}], "template": template, **spec},
    }


def live(*names, **changes):
    found = generate(appset(*names), Inputs())
    for app in found:
        app["metadata"] |= {"uid": "x", "resourceVersion": "7"}
        app["status"] = {"sync": {"status": "Synced"}}
        app["spec"] |= changes
    return found


def plan(wanted, held):
    made = reconcile_plan(wanted, held, generate(wanted, Inputs()))
    return tuple([app["metadata"]["name"] for app in part] for part in (made.create, made.update, made.delete))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (None, (["new"], ["changed"], ["gone"])),
        ("sync", (["new"], ["changed"], ["gone"])),
        ("create-only", (["new"], [], [])),
        ("create-update", (["new"], ["changed"], [])),
        ("create-delete", (["new"], [], ["gone"])),
    ],
)
def test_policies(policy, expected):
    wanted = appset("new", "changed", "same", syncPolicy={"applicationsSync": policy} if policy else {})
    held = [*live("same", "gone"), *live("changed", project="other")]
    assert plan(wanted, held) == expected


def test_what_the_set_does_not_own_is_never_deleted():
    (other,) = live("other")
    del other["metadata"]["ownerReferences"]
    assert plan(appset(), [other]) == ([], [], [])
    (theirs,) = live("a")
    theirs["metadata"]["ownerReferences"][0]["uid"] = "u2"
    with pytest.raises(InvalidSpecError, match="belongs to another ApplicationSet"):
        plan(appset("a"), [theirs])


def test_an_update_keeps_what_is_not_the_sets():
    (held,) = live("a", source={"targetRevision": "pinned"}, project="other")
    held["metadata"]["annotations"] = {"argocd.argoproj.io/refresh": "hard", "mine": "1", "kept": "1"}
    before = copy.deepcopy(held)
    wanted = appset(
        "a",
        ignoreApplicationDifferences=[{"jsonPointers": ["/spec/source/targetRevision"]}],
        preservedFields={"annotations": ["kept"]},
    )
    (made,) = reconcile_plan(wanted, [held], generate(wanted, Inputs())).update
    assert made["spec"] == {"project": "default", "source": {"targetRevision": "pinned"}}
    assert made["metadata"]["annotations"] == {"argocd.argoproj.io/refresh": "hard", "kept": "1"}
    assert made["metadata"]["resourceVersion"] == "7"
    assert made["status"] == held["status"]
    assert held == before


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_a_plan_carried_out_leaves_nothing_to_do(before, after):
    wanted = appset(*sorted(after))
    held = live(*sorted(before), project="other")
    made = reconcile_plan(wanted, held, generate(wanted, Inputs()))
    names = {app["metadata"]["name"]: app for app in held}
    for app in (*made.create, *made.update):
        names[app["metadata"]["name"]] = app
    for app in made.delete:
        del names[app["metadata"]["name"]]
    assert set(names) == after
    assert reconcile_plan(wanted, names.values(), generate(wanted, Inputs())).empty


def test_an_unknown_policy_is_refused():
    with pytest.raises(InvalidSpecError, match="applicationsSync 'all' is none of"):
        Policy.of(appset(syncPolicy={"applicationsSync": "all"}))


def test_conditions():
    good = conditions(appset(), None, NOW)
    assert {entry["type"]: entry["status"] for entry in good} == {
        "ErrorOccurred": "False",
        "ParametersGenerated": "True",
        "ResourcesUpToDate": "True",
    }
    later = NOW.replace(hour=5)
    held = {**appset(), "status": {"conditions": good}}
    assert conditions(held, None, later) == good
    bad = conditions(held, InvalidSpecError("one sentence"), later, generated=False)
    assert {entry["type"]: entry["status"] for entry in bad} == {
        "ErrorOccurred": "True",
        "ParametersGenerated": "False",
        "ResourcesUpToDate": "False",
    }
    assert {entry["message"] for entry in bad} == {"one sentence"}
    assert {entry["lastTransitionTime"] for entry in bad} == {"2026-06-01T05:00:00Z"}
