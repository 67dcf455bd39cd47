"""The generic rule, on kinds that do not exist anywhere."""

from __future__ import annotations

import pytest

from gitops.health import assess


def thing(status=None, spec=None, generation=1, kind="Thing", group="example.org"):
    obj = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "a", "generation": generation}}
    obj["spec"] = spec or {}
    if status is not None:
        obj["status"] = status
    return obj


def conditions(*items, **more):
    names = ("type", "status", "reason", "message")
    return {"conditions": [dict(zip(names, item, strict=False)) for item in items], **more}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        # One condition that speaks for the whole.
        (conditions(("Ready", "True")), "Healthy"),
        (conditions(("Ready", "Unknown")), "Progressing"),
        (conditions(("Ready", "False")), "Progressing"),
        (conditions(("Ready", "False", "ReconcileError")), "Degraded"),
        (conditions(("Ready", "False", "Creating")), "Progressing"),
        (conditions(("Ready", "False", "Creating", "Error: no such image")), "Degraded"),
        (conditions(("Ready", "False", "NoSuchThingIKnow")), "Degraded"),
        (conditions(("Available", "False", "", "Waiting for more replicas")), "Progressing"),
        # Negative polarity: True is what is wrong, False is fine.
        (conditions(("Degraded", "True"), ("Ready", "True")), "Degraded"),
        (conditions(("Degraded", "False"), ("Ready", "True")), "Healthy"),
        (conditions(("ConfigErrorOccurred", "True")), "Degraded"),
        (conditions(("NotReady", "True", "Creating")), "Progressing"),
        # kstatus: Stalled before Reconciling before Ready.
        (conditions(("Reconciling", "True"), ("Ready", "False", "Missing")), "Progressing"),
        (conditions(("Reconciling", "True"), ("Stalled", "True")), "Degraded"),
        (conditions(("Progressing", "True", "NewReplicaSetAvailable"), ("Available", "True")), "Healthy"),
        (conditions(("Paused", "True"), ("Ready", "True")), "Suspended"),
        # A summary outweighs what it sums up; without one, each part counts.
        (conditions(("Ready", "True"), ("BackendReady", "False", "Broken")), "Healthy"),
        (conditions(("FrontendReady", "True"), ("BackendReady", "False", "Broken")), "Degraded"),
        (conditions(("Registered", "True")), "Progressing"),
        (conditions(), "Progressing"),
        # Phases and other words.
        ({"phase": "Running"}, "Healthy"),
        ({"phase": "Provisioning"}, "Progressing"),
        ({"state": "FAILED_TO_CREATE"}, "Degraded"),
        ({"phase": "NotReady"}, "Progressing"),
        ({"phase": "Hibernated"}, "Suspended"),
        ({"state": "Unknown"}, "Unknown"),
        ({"jobStatus": {"state": "error"}}, "Degraded"),
        ({"health": "yellow", "phase": "Ready"}, "Progressing"),
        ({"lastBackupStatus": "Failed", "phase": "Ready"}, "Healthy"),
        # Truth values, errors, counts.
        ({"ready": True}, "Healthy"),
        ({"healthy": False}, "Degraded"),
        ({"failureMessage": "no quota", "phase": "Provisioned"}, "Degraded"),
        ({"replicas": 3, "readyReplicas": 1}, "Progressing"),
        ({"replicas": 3, "readyReplicas": 3}, "Healthy"),
        # What says nothing.
        ({}, "Progressing"),
        ({"endpoint": "https://example.org"}, "Healthy"),
    ],
)
def test_status(status, word):
    assert assess(thing(status)).status == word


def test_an_older_generation_is_progressing_whatever_it_says():
    status = conditions(("Ready", "True"), observedGeneration=1)
    assert assess(thing(status, generation=1)).status == "Healthy"
    assert assess(thing(status, generation=2)).status == "Progressing"


def test_a_condition_about_an_older_generation_is_progressing():
    status = {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}
    assert assess(thing(status, generation=2)).status == "Progressing"


@pytest.mark.parametrize("field", ["suspend", "paused"])
def test_a_controller_that_a_person_stopped_is_suspended(field):
    assert assess(thing({"phase": "Ready"}, {field: True})).status == "Suspended"


def test_running_is_under_way_for_what_runs_once():
    assert assess(thing({"phase": "Running"}, kind="SiteBackup")).status == "Progressing"


@pytest.mark.parametrize("holder", ["listeners", "parents", "ancestors"])
def test_conditions_of_the_current_items_count(holder):
    old = {"conditions": [{"type": "Accepted", "status": "False", "reason": "Invalid", "observedGeneration": 1}]}
    new = {"conditions": [{"type": "Accepted", "status": "True", "observedGeneration": 2}]}
    assert assess(thing({holder: [old, new]}, generation=2)).status == "Healthy"
    assert assess(thing({holder: [old]}, generation=2)).status == "Progressing"
    assert assess(thing({holder: [old, new]}, generation=1)).status == "Degraded"


def test_a_new_object_waits_for_its_status_unless_its_kind_has_none():
    assert assess(thing()).status == "Progressing"
    assert assess(thing(), has_status=False) is None
    assert assess(thing(kind="PrometheusRule", group="monitoring.coreos.com")) is None


def test_the_answer_tells_the_rule_and_the_reason():
    found = assess(thing(conditions(("Ready", "False", "ReconcileError", "bucket not found"))))
    assert (found.rule, found.message) == ("generic/status", "bucket not found")


def test_an_object_of_any_size_is_judged_by_its_first_part():
    many = [{"type": f"Part{number}Ready", "status": "True"} for number in range(10_000)]
    broken = {"type": "Ready", "status": "False", "reason": "Broken"}
    assert assess(thing({"conditions": [*many, broken]})).status == "Healthy"
    assert assess(thing({"conditions": [broken, *many]})).status == "Degraded"


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("cluster.x-k8s.io/paused", "true", "Suspended"),
        ("crossplane.io/paused", "true", "Suspended"),
        ("crossplane.io/paused", "false", "Healthy"),
        ("strimzi.io/pause-reconciliation", "true", "Suspended"),
        ("kustomize.toolkit.fluxcd.io/reconcile", "disabled", "Suspended"),
        ("eck.k8s.elastic.co/managed", "false", "Suspended"),
        ("example.org/owner", "true", "Healthy"),
    ],
)
def test_an_annotation_that_stops_the_controller_suspends(name, value, word):
    obj = {
        "apiVersion": "example.org/v1",
        "kind": "Thing",
        "metadata": {"name": "x", "annotations": {name: value}},
        "status": {"phase": "Ready"},
    }
    assert assess(obj, generic_only=True).status == word
