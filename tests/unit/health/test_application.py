"""The Application's word out of its objects', by specs section 6."""

from __future__ import annotations

from gitops.health import LiveResource, application_health
from gitops.model.health import Health
from gitops.model.objects import ObjectKey


def resource(name, word, *, live=True, kind="Deployment", group="apps", annotations=None, **more):
    obj = {"metadata": {"name": name, "annotations": annotations or {}}} if live else None
    return LiveResource(ObjectKey(group, kind, "shop", name), obj, Health(word) if word else None, **more)


def test_the_worst_word_counts_and_its_causes_are_named():
    found = application_health(
        [resource("a", "Healthy"), resource("b", "Degraded"), resource("c", "Progressing"), resource("d", "Degraded")]
    )
    assert found.status == "Degraded"
    assert found.message == "Caused by apps/Deployment:shop/b, apps/Deployment:shop/d"


def test_no_more_than_three_causes_are_named():
    found = application_health([resource(name, "Degraded") for name in "abcde"])
    assert found.message.endswith("apps/Deployment:shop/c, … and 2 more")
    assert len(found.causes) == 5


def test_a_missing_object_does_not_lower_the_word():
    assert application_health([resource("a", "Healthy"), resource("b", "Missing", live=False)]).status == "Healthy"


def test_nothing_live_is_missing():
    assert application_health([resource("a", "Missing", live=False)]).status == "Missing"


def test_no_resources_at_all_are_healthy():
    assert application_health([]).status == "Healthy"


def test_what_section_6_leaves_out():
    itself = ObjectKey("argoproj.io", "Application", "shop", "parent")
    found = application_health(
        [
            resource("a", "Healthy"),
            resource("b", "Degraded", annotations={"argocd.argoproj.io/ignore-healthcheck": "true"}),
            resource("c", "Degraded", hook=True),
            resource("d", None),
            resource("parent", "Degraded", kind="Application", group="argoproj.io"),
            resource("child", "Unknown", kind="Application", group="argoproj.io"),
        ],
        itself=itself,
    )
    assert (found.status, found.message) == ("Healthy", "")


def test_a_degraded_child_application_counts():
    found = application_health([resource("child", "Degraded", kind="Application", group="argoproj.io")])
    assert found.status == "Degraded"
