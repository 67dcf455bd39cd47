"""Comparing one object."""

from __future__ import annotations

import copy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitops.diff import Change, IgnoreRules, Verdict, compare
from gitops.errors import ComparisonError, InvalidSpecError
from gitops.model.application import IgnoreDifference
from gitops.model.names import FIELD_MANAGER, INSTANCE_LABEL, LAST_APPLIED
from gitops.model.tracking import stamp


def config_map(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}, "data": data}


def deployment(**container):
    spec = {"template": {"spec": {"containers": [{"name": "web", "image": "x:1", **container}]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "ns"}, "spec": spec}


def custom(**spec):
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "ns"}, "spec": spec}


def owned(obj, fields, manager=FIELD_MANAGER, operation="Apply"):
    entry = {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields}
    held = obj["metadata"].get("managedFields") or []
    return {**obj, "metadata": {**obj["metadata"], "managedFields": [*held, entry]}}


def rules(config=None, **entry):
    entries = [IgnoreDifference.model_validate({"kind": "*", "group": "*", **entry})] if entry else []
    return IgnoreRules.build(entries, config)


def test_only_one_side():
    assert compare(config_map(), None).change is Change.MISSING
    assert compare(None, config_map()).change is Change.EXTRA
    assert compare(None, config_map()).status == "OutOfSync"
    assert compare(None, None).status == "Synced"


def test_quantities_are_numbers():
    target = deployment(resources={"limits": {"cpu": 1, "memory": "1024Mi"}})
    assert compare(target, deployment(resources={"limits": {"cpu": "1", "memory": "1Gi"}})).verdict is Verdict.SAME
    diff = compare(target, deployment(resources={"limits": {"cpu": "2", "memory": "1Gi"}}))
    assert diff.modified == ("spec.template.spec.containers[name=web].resources.limits.cpu",)


def test_a_custom_resource_keeps_spellings_unless_its_fields_are_known():
    """The server stores what it was sent, so a spelling is a change; `knownTypeFields` says that it does not count."""
    target, live = custom(cpu="1000m"), custom(cpu="1")
    assert compare(target, live).verdict is Verdict.ASK
    fields = "- field: spec.cpu\n  type: core/Quantity"
    known = {"resource.customizations.knownTypeFields.example.com_Thing": fields}
    assert compare(target, live, rules(known)).verdict is Verdict.SAME


def test_true_is_not_one():
    assert compare(custom(a=True), custom(a=1)).verdict is not Verdict.SAME
    assert compare(custom(a=1), custom(a=1.0)).verdict is Verdict.SAME


def test_string_data_is_data():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    target = {**secret, "stringData": {"a": "one"}, "data": {"a": "eA==", "b": None}}
    assert compare(target, {**secret, "data": {"a": "b25l", "b": ""}}).verdict is Verdict.SAME
    diff = compare(target, {**secret, "data": {"a": "dHdv", "b": ""}})
    assert diff.modified == ("data.a",)
    assert "dHdv" not in diff.reason


def test_our_field_that_left_git_is_a_difference_and_others_fields_are_not():
    live = owned(config_map(a="1", b="2", c="3"), {"f:data": {"f:a": {}, "f:b": {}}})
    assert compare(config_map(a="1"), live).modified == ("data.b",)
    shared = owned(live, {"f:data": {"f:b": {}}}, manager="somebody", operation="Update")
    assert compare(config_map(a="1"), shared).verdict is Verdict.SAME


def test_the_last_applied_annotation_tells_what_kubectl_put_there():
    live = config_map(a="1", b="2", c="3")
    live["metadata"]["annotations"] = {LAST_APPLIED: '{"metadata":{"name":"a"},"data":{"a":"1","b":"2"}}'}
    assert compare(config_map(a="1"), live).modified == ("data.b",)
    ours = owned(live, {"f:data": {"f:a": {}}})
    assert compare(config_map(a="1"), ours).verdict is Verdict.SAME


def test_objects_as_argo_cd_leaves_them_are_in_sync():
    target = config_map(a="1")
    stamp(target, instance="app", destination_namespace="ns")
    by_label = config_map(a="1")
    by_label["metadata"]["labels"] = {INSTANCE_LABEL: "app"}
    by_annotation = copy.deepcopy(target)
    del by_annotation["metadata"]["labels"]
    for live in (by_label, by_annotation):
        assert compare(target, live).verdict is Verdict.SAME
        assert compare(target, live, predicted=live).verdict is Verdict.SAME


def test_status_counts_only_where_the_setting_says_so():
    target, live = {**custom(), "status": {"a": 1}}, {**custom(), "status": {"a": 2}}
    assert compare(target, live).verdict is Verdict.SAME
    off = rules({"resource.compareoptions": "ignoreResourceStatusField: off"})
    assert compare(target, live, off).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize(
    "entry",
    [
        {"jsonPointers": ["/data/a~1b"]},
        {"jqPathExpressions": ['.data["a/b"]']},
        {"managedFieldsManagers": ["scaler"]},
        {"group": "", "kind": "Config*", "name": "a", "namespace": "ns", "jsonPointers": ["/data"]},
    ],
)
def test_ignored_fields_do_not_count(entry):
    target, live = config_map(**{"a/b": "1"}), config_map(**{"a/b": "2"})
    live = owned(live, {"f:data": {"f:a/b": {}}}, manager="scaler", operation="Update")
    assert compare(target, live).verdict is Verdict.DIFFERENT
    assert compare(target, live, rules(**entry)).verdict is Verdict.SAME


@pytest.mark.parametrize("entry", [{"kind": "Secret"}, {"name": "b"}, {"namespace": "other"}, {"group": "apps"}])
def test_rules_for_other_objects_do_nothing(entry):
    diff = compare(config_map(a="1"), config_map(a="2"), rules(**{**entry, "jsonPointers": ["/data"]}))
    assert diff.verdict is Verdict.DIFFERENT


@pytest.mark.parametrize("key", ["ConfigMap", "all", "_Config*"])
def test_rules_of_the_system(key):
    config = {f"resource.customizations.ignoreDifferences.{key}": "jsonPointers: [/data/a]"}
    assert compare(config_map(a="1"), config_map(a="2"), rules(config)).verdict is Verdict.SAME


def test_mistakes_in_rules_are_one_sentence():
    with pytest.raises(ComparisonError, match="is not a jq path"):
        compare(config_map(a="1"), config_map(a="2"), rules(jqPathExpressions=[".["]))
    with pytest.raises(InvalidSpecError, match=r"ignoreDifferences\.all is not YAML"):
        rules({"resource.customizations.ignoreDifferences.all": "{"})


def test_a_jq_program_without_end_ends():
    forever = IgnoreRules(rules=rules(jqPathExpressions=["def f: f; f"]).rules, jq_seconds=0.2)
    with pytest.raises(ComparisonError, match="did not end within"):
        compare(config_map(a="1"), config_map(a="2"), forever)
    after = rules(jqPathExpressions=[".data.a"])
    assert compare(config_map(a="1"), config_map(a="2"), after).verdict is Verdict.SAME


scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text(alphabet="ab1m", max_size=3)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)


@given(st.dictionaries(st.sampled_from("abc"), values, max_size=3))
def test_an_object_is_the_same_as_itself(spec):
    assert compare(custom(**spec), custom(**spec)).verdict is Verdict.SAME


@given(st.dictionaries(st.sampled_from("abc"), values, max_size=3), st.dictionaries(st.sampled_from("abc"), values))
@example({"a": [None]}, {"a": [[]]})
def test_a_merge_that_would_change_live_is_never_the_same(target, live):
    """What a server without a schema does: maps merge, everything else is replaced."""

    def merged(a, b):
        if isinstance(a, dict) and isinstance(b, dict):
            return {**b, **{key: merged(value, b.get(key)) for key, value in a.items()}}
        return a

    def canonical(value):
        if isinstance(value, dict):
            return {key: canonical(inner) for key, inner in value.items()}
        return [canonical(inner) for inner in value] if isinstance(value, list) else (type(value).__name__, value)

    if canonical(merged(target, live)) != canonical(live):
        assert compare(custom(**target), custom(**live)).verdict is not Verdict.SAME
