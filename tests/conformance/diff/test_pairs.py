"""Pairs that must or must not count as drift, by others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.diff import IgnoreRules, Verdict, compare


@pytest.fixture
def load(conformance: Path):
    def read(name: str) -> dict[str, Any]:
        return yaml.safe_load((conformance / "diff" / name).read_text())

    return read


@pytest.mark.parametrize(
    ("config", "live"),
    [
        ("deployment-config.json", "deployment-live.json"),
        ("elasticsearch-config.json", "elasticsearch-live.json"),
        ("endpoints-config.json", "endpoints-live.json"),
        ("grafana-clusterrole-config.json", "grafana-clusterrole-live.json"),
        ("mutatingwebhookconfig-config.json", "mutatingwebhookconfig-live.json"),
        ("sealedsecret-config.json", "sealedsecret-live.json"),
        ("spinnaker-sa-config.json", "spinnaker-sa-live.json"),
        ("wordpress-config.json", "wordpress-live.json"),
        ("smd-deploy-config.yaml", "smd-deploy-live.yaml"),
        ("ssd-service-config.yaml", "ssd-service-live.yaml"),
    ],
)
def test_defaults_and_spellings_are_no_drift_and_nobody_is_asked(load, config, live):
    assert compare(load(config), load(live)).verdict is Verdict.SAME


@pytest.mark.parametrize(
    ("config", "live", "field"),
    [
        ("smd-service-config.yaml", "smd-service-live.yaml", "spec.ports[port=1935,protocol=TCP].targetPort"),
        ("smd-service-config-ports.yaml", "smd-service-live-with-type.yaml", "spec.ports[port=443,protocol=UDP]"),
        ("smd-service-config-2-ports.yaml", "smd-service-live-with-type.yaml", "spec.ports[port=443,protocol=TCP]"),
        ("ssd-configmap-config.yaml", "ssd-configmap-live.yaml", "data.key3"),
        ("ssd-svc-no-label-config.yaml", "ssd-svc-label-live.yaml", "metadata.labels.delete-me"),
    ],
)
def test_drift_is_named_without_asking(load, config, live, field):
    diff = compare(load(config), load(live))
    assert diff.verdict is Verdict.DIFFERENT
    assert field in diff.modified


def test_ports_of_one_number_and_two_protocols_are_two_ports(load):
    """The order of ports and an owned request that Git dropped: only the server knows, and it says that it differs."""
    config, live = load("smd-deploy2-config.yaml"), load("smd-deploy2-live.yaml")
    assert compare(config, live).verdict is Verdict.ASK
    answer = compare(config, live, predicted=load("smd-deploy2-predicted-live.json"))
    assert answer.modified == ("spec.template.spec.containers[name=nginx].resources",)


@pytest.mark.parametrize(
    ("name", "drift"),
    [("configmap", True), ("deploy-composite-key", True), ("deploy-nested", True), ("deploy-with-manual-apply", True)],
)
def test_dry_run_answers(load, name, drift):
    diff = compare(
        load(f"ssd-{name}-config.yaml"),
        load(f"ssd-{name}-live.yaml"),
        predicted=load(f"ssd-{name}-predicted-live.json"),
    )
    assert (diff.verdict is Verdict.DIFFERENT) is drift


def test_what_an_admission_webhook_puts_in_is_no_drift(load):
    diff = compare(
        load("ssd-service-config.yaml"),
        load("ssd-service-live.yaml"),
        predicted=load("ssd-service-predicted-live.json"),
    )
    assert diff.verdict is Verdict.SAME


def test_a_label_that_left_git_is_drift_by_dry_run(load):
    diff = compare(
        load("ssd-svc-no-label-config.yaml"),
        load("ssd-svc-label-live.yaml"),
        predicted=load("ssd-svc-no-label-predicted-live.json"),
    )
    assert diff.modified == ("metadata.labels.delete-me",)


def test_aggregated_rules_count_unless_the_setting_says_otherwise(load):
    config, live = load("aggr-clusterrole-config.json"), load("aggr-clusterrole-live.json")
    assert compare(config, live).verdict is not Verdict.SAME
    rules = IgnoreRules.build(config={"resource.compareoptions": "ignoreAggregatedRoles: true"})
    assert compare(config, live, rules).verdict is Verdict.SAME
