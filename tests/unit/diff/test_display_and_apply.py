"""Masking, text, RespectIgnoreDifferences, and the application's status."""

from __future__ import annotations

import pytest

from gitops.diff import (
    Change,
    IgnoreRules,
    ObjectDiff,
    Verdict,
    application_sync_status,
    as_applied,
    mask_secrets,
    object_result,
    orphaned,
    orphaned_warning,
    respect_ignore_differences,
    top_level,
    unified,
)
from gitops.model.application import IgnoreDifference
from gitops.model.names import COMPARE_OPTIONS, HOOK
from gitops.model.objects import Manifest, key_of
from gitops.model.project import OrphanedResources


def obj(kind="ConfigMap", name="a", api="v1", **rest):
    meta = {"name": name, "namespace": "ns", **rest.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta, **rest}


def rules(**entry):
    return IgnoreRules.build([IgnoreDifference.model_validate({"kind": "*", "group": "*", **entry})])


def test_secrets_are_masked_and_yet_comparable():
    target = obj("Secret", stringData={"same": "x", "new": "y"})
    live = obj("Secret", data={"same": "eA==", "new": "b2xk"})
    shown, held = mask_secrets(target, live)
    assert shown["data"]["same"] == held["data"]["same"] == "++++++++"
    assert shown["data"]["new"] != held["data"]["new"]
    assert set(shown["data"]["new"]) == {"+"}
    assert "stringData" not in shown


def test_a_diff_reads_from_live_to_target():
    text = unified(obj(data={"a": "new"}), obj(data={"a": "old", "other": "kept"}))
    assert text.splitlines()[0] == "===== /ConfigMap ns/a ======"
    assert "-  a: old" in text
    assert "+  a: new" in text
    assert "-  other" not in text
    assert unified(obj(data={"a": "1"}), obj(data={"a": "1", "b": "2"})) == ""


def test_a_diff_never_shows_a_secret():
    text = unified(obj("Secret", stringData={"a": "hunter2"}), obj("Secret", data={"a": "b2xk"}))
    assert "-  a: +++++++++\n+  a: ++++++++\n" in text
    for hidden in ("hunter2", "aHVudGVyMg==", "b2xk"):
        assert hidden not in text


def test_objects_on_one_side_are_shown_whole():
    assert "+kind: ConfigMap" in unified(obj(), None)
    assert "-kind: ConfigMap" in unified(None, obj())


def container(**fields):
    return {"name": "web", **fields}


def deployment(*containers, **spec):
    return obj("Deployment", api="apps/v1", spec={"template": {"spec": {"containers": list(containers)}}, **spec})


def test_ignored_fields_are_applied_as_live_has_them():
    target = deployment(container(image="x:2"), replicas=1)
    live = deployment(container(image="x:1"), replicas=5)
    made = respect_ignore_differences(target, live, rules(jsonPointers=["/spec/replicas"]))
    assert made["spec"]["replicas"] == 5
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "x:2"
    assert target["spec"]["replicas"] == 1


def test_ignored_fields_inside_lists():
    target = deployment({"name": "new"}, container(image="x:2", env=[{"name": "A", "value": "git"}]))
    live = deployment(container(image="x:1", env=[{"name": "A", "value": "live"}]), {"name": "injected"})
    expression = '.spec.template.spec.containers[] | select(.name == "web") | .image'
    made = respect_ignore_differences(target, live, rules(jqPathExpressions=[expression]))
    assert made["spec"]["template"]["spec"]["containers"] == [
        {"name": "new"},
        {"name": "web", "image": "x:1", "env": [{"name": "A", "value": "git"}]},
    ]
    injected = '.spec.template.spec.containers[] | select(.name == "injected")'
    made = respect_ignore_differences(target, live, rules(jqPathExpressions=[injected]))
    assert [entry["name"] for entry in made["spec"]["template"]["spec"]["containers"]] == ["new", "web", "injected"]


def test_a_field_that_live_lacks_is_not_applied():
    target, live = deployment(replicas=1), deployment()
    assert "replicas" not in respect_ignore_differences(target, live, rules(jsonPointers=["/spec/replicas"]))["spec"]


def test_string_data_is_sent_as_data():
    secret = Manifest.of(obj("Secret", stringData={"a": "x"}))
    assert as_applied(secret).load()["data"] == {"a": "eA=="}
    assert "stringData" not in as_applied(secret).load()
    target = Manifest.of(obj())
    assert as_applied(target) is target


def test_what_only_the_server_writes_is_not_sent():
    exported = obj()
    exported["metadata"] |= {"resourceVersion": "7", "uid": "u", "managedFields": [], "labels": {"a": "b"}}
    sent = as_applied(Manifest.of(exported)).load()["metadata"]
    assert sent.keys() & {"resourceVersion", "uid", "managedFields"} == set()
    assert sent["labels"] == {"a": "b"}


SAME, DIFFERENT = ObjectDiff(Verdict.SAME), ObjectDiff(Verdict.DIFFERENT, Change.MODIFIED)
EXTRA, ASK = ObjectDiff(Verdict.DIFFERENT, Change.EXTRA), ObjectDiff(Verdict.ASK)


@pytest.mark.parametrize(
    ("diffs", "status"),
    [([], "Synced"), ([SAME, SAME], "Synced"), ([SAME, DIFFERENT], "OutOfSync"), ([DIFFERENT, ASK], "Unknown")],
)
def test_the_status_of_an_application(diffs, status):
    assert application_sync_status([object_result(diff, obj(), obj()) for diff in diffs]) == status


def test_what_does_not_make_an_application_out_of_sync():
    hook = obj(metadata={"annotations": {HOOK: "PreSync"}})
    extraneous = obj(metadata={"annotations": {COMPARE_OPTIONS: "IgnoreExtraneous"}})
    results = [
        object_result(ObjectDiff(Verdict.DIFFERENT, Change.MISSING), hook, None),
        object_result(EXTRA, None, extraneous),
        object_result(EXTRA, None, obj(), self_referenced=False),
    ]
    assert application_sync_status(results) == "Synced"
    assert [result.status for result in results] == ["", "OutOfSync", ""]
    assert application_sync_status([object_result(EXTRA, None, obj())]) == "OutOfSync"


def test_unknown_and_managed_namespaces():
    assert application_sync_status([], loaded=False) == "Unknown"
    assert application_sync_status([], namespace_changed=True) == "OutOfSync"
    assert application_sync_status([object_result(SAME, obj(), obj(), permitted=False)]) == "Unknown"


def test_orphans():
    live = [
        obj(name="lost"),
        obj(name="owned"),
        obj(name="child", metadata={"ownerReferences": [{"uid": "1"}]}),
        obj("ServiceAccount", "default"),
        obj(name="kube-root-ca.crt"),
        obj("Secret", "ignored-1"),
        obj("Pod", "forbidden"),
    ]
    config = OrphanedResources.model_validate({"ignore": [{"kind": "Secret", "name": "ignored-*"}]})
    free = [key for key, _ in top_level(live, is_owned=lambda o: o["metadata"]["name"] == "owned")]
    found = orphaned(free, config, permits=lambda key: key.kind != "Pod")
    assert [key.name for key in found] == ["lost"]


def test_the_warning_names_the_first_few():
    config = OrphanedResources()
    keys = [key_of(obj(name=name)) for name in "abcd"]
    assert orphaned_warning(keys[:1], config) == "Application has 1 orphaned resource: ConfigMap/a"
    text = "Application has 4 orphaned resources: ConfigMap/a, ConfigMap/b, ConfigMap/c and 1 more"
    assert orphaned_warning(keys, config) == text
    assert orphaned_warning(keys, OrphanedResources(warn=False)) == ""
    assert orphaned_warning([], config) == ""
