"""The specific rules: what a line may say, and that the data is sound."""

from __future__ import annotations

import pytest

from gitops.health import assess, specific


def holds(tests, obj):
    return specific._line(f"{tests} -> Healthy").test(obj)


OBJ = {
    "metadata": {"generation": 2, "annotations": {"a/b": "on"}, "labels": {"c": "d"}},
    "spec": {"size": 3, "flag": False},
    "status": {
        "observedGeneration": 1,
        "phase": "Rolling",
        "ready": 2,
        "nodes": [{"up": True, "n": 1}, {"up": False, "n": 2}],
        "racks": {"x": {"state": "Bad"}},
        "conditions": [{"type": "Ready", "status": "False", "reason": "Creating"}],
    },
}


@pytest.mark.parametrize(
    "tests",
    [
        "Ready", "Ready=False,Unknown", "Ready=False:Creating,New", "Ready:Creating", "*=False", "!Ready=True",
        ".status.phase", ".status.phase=Rolling", ".status.phase=Ro*", "!.spec.flag", ".spec.flag=false",
        ".status.nodes[].up=false", ".status.racks{}.state=Bad", ".status.ready<.spec.size", ".status.ready<=2",
        ".status.nodes[].n==3", "behind", "@a/b=on", "%c=d", "mixed .status.nodes[].n", ".status.ready!=.spec.size",
        "Ready=True | behind", "Ready=False & behind", "",
    ],
)  # fmt: skip
def test_lines_that_hold(tests):
    assert holds(tests, OBJ)


@pytest.mark.parametrize(
    "tests",
    [
        "Available", "Ready=True", "Ready=False:New", "*=True", ".status.other", ".status.phase=Roll", "@a/b=off",
        ".spec.size<.status.ready", "Ready=True & behind", "mixed .status.phase", ".spec.size!=.spec.size", "%x",
    ],
)  # fmt: skip
def test_lines_that_do_not_hold(tests):
    assert not holds(tests, OBJ)


def test_a_rule_without_a_health_word_is_refused():
    with pytest.raises(ValueError, match="no health word"):
        specific._line("Ready=True -> Fine")


def test_every_rule_names_its_source_and_no_kind_comes_twice():
    rules = list(specific.all_rules())
    assert all(rule.source.startswith("https://") for rule in rules)
    keys = [(rule.group, rule.kind) for rule in rules]
    assert len(keys) == len(set(keys))


def test_an_exact_group_comes_before_a_wildcard():
    assert specific.find("pkg.crossplane.io", "Provider").group == "pkg.crossplane.io"
    assert specific.find("ec2.aws.crossplane.io", "VPC").group == "*.crossplane.io"
    assert specific.find("example.org", "Thing") is None


def test_generic_only_leaves_the_specific_rules_out():
    obj = {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "metadata": {}, "status": {"state": 2}}
    assert assess(obj).status == "Degraded"
    assert assess(obj, generic_only=True).status == "Healthy"
