"""An Application's status stays below what etcd takes for one object, and says what it leaves out."""

from __future__ import annotations

import orjson

from gitops.model.application import Application
from gitops.model.health import Health
from gitops.model.objects import Object, ObjectKey
from gitops.model.rows import RESOURCES_BYTES
from gitops.reconcile import status as statuses
from gitops.reconcile.applicationsets import resources
from gitops.reconcile.status import Findings, Resource

APP = Application.from_object({"metadata": {"name": "large", "namespace": "argocd"}, "spec": {"project": "default"}})


def resource(number: int, synced: str = "Synced", health: Health | None = None) -> Resource:
    return Resource(ObjectKey("", "ConfigMap", "large", f"part-{number:05}"), "v1", synced, health)


def built(*resources: Resource, conditions: int = 0) -> tuple[list[str], list[dict[str, str]], int]:
    """The names of the rows, the conditions, and the size of the status."""
    found = [("RepeatedResourceWarning", f"object {number} is named twice") for number in range(conditions)]
    status = statuses.build(APP, Findings("Synced", "Healthy", resources=resources, conditions=found))
    return [row["name"] for row in status["resources"]], status["conditions"], len(orjson.dumps(status))


def test_few_objects_are_all_shown() -> None:
    names, conditions, _ = built(*map(resource, range(1_000)))
    assert len(names) == 1_000
    assert conditions == []


def test_of_too_many_those_that_are_not_well_are_shown_first() -> None:
    rows = [resource(number) for number in range(20_000)]
    rows[-3:] = [
        resource(19_997, "OutOfSync"),
        resource(19_998, health=Health("Degraded")),
        resource(19_999, health=Health("Healthy")),
    ]
    names, conditions, size = built(*rows)
    assert size < RESOURCES_BYTES + 10_000
    assert names[-2:] == ["part-19997", "part-19998"]
    assert names == sorted(names)
    (only,) = conditions
    assert only["type"] == "StatusTruncatedWarning"
    assert only["message"].startswith(f"status.resources shows {len(names)} of 20000 objects, ")


def test_a_hundred_conditions_are_enough() -> None:
    _, conditions, _ = built(conditions=5_000)
    assert len(conditions) == 101
    assert conditions[-1]["message"] == "4900 more conditions are not shown"


def test_an_error_is_shown_before_any_number_of_warnings() -> None:
    warnings = [("SharedResourceWarning", f"object {number} is another's too") for number in range(500)]
    status = statuses.build(APP, Findings("OutOfSync", "Healthy", conditions=[*warnings, ("SyncError", "refused")]))
    assert status["conditions"][0]["type"] == "SyncError"
    assert len(status["conditions"]) == 101


def test_the_warning_goes_with_its_reason() -> None:
    _, conditions, _ = built(conditions=101)
    assert conditions[-1]["type"] == "StatusTruncatedWarning"
    present = {"metadata": APP.metadata, "spec": {"project": "default"}, "status": {"conditions": conditions}}
    after = statuses.build(Application.from_object(present), Findings("Synced", "Healthy"))
    assert after["conditions"] == []


def test_an_application_set_of_thousands_shows_those_that_are_not_well_first() -> None:
    def application(number: int, health: str) -> Object:
        status = {"sync": {"status": "Synced"}, "health": {"status": health}}
        return {"metadata": {"name": f"app-{number:05}", "namespace": "argocd"}, "status": status}

    made = [application(number, "Healthy") for number in range(20_000)] + [application(20_000, "Degraded")]
    rows = resources(reversed(made))
    assert len(orjson.dumps(rows)) <= RESOURCES_BYTES
    assert 1_000 < len(rows) < 20_000
    assert rows[0]["name"] == "app-00000"
    assert rows[-1] == {**rows[0], "name": "app-20000", "health": {"status": "Degraded"}}
