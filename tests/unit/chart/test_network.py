"""NetworkPolicies: closed both ways, and each part opened to just what it speaks to."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("chart_network", Path(__file__).with_name("network.py"))
assert _spec is not None
assert _spec.loader is not None
network = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(network)

DNS = {("UDP 53", "kube-dns"), ("53", "kube-dns")}
REDIS = {("redis", "redis")}
API = {(port, "any") for port in ("443", "6443")}
OUTSIDE = API | {(port, "any") for port in ("22", "80", "465", "587")}
METRICS = {("metrics", "monitoring")}


def components(objects):
    """Pod labels by component."""
    found = {}
    for obj in objects:
        if obj["kind"] in ("Deployment", "StatefulSet"):
            labels = obj["spec"]["template"]["metadata"]["labels"]
            found[labels["app.kubernetes.io/component"]] = labels
    return found


def matrix(objects, direction):
    return {name: network.opened(objects, labels, direction) for name, labels in components(objects).items()}


def test_each_part_speaks_to_what_it_needs_and_to_nothing_else(defaults):
    assert matrix(defaults, "egress") == {
        "worker-default": DNS | REDIS | OUTSIDE,
        "beat": DNS | REDIS | API,
        "web": DNS | REDIS | API,
        "flower": DNS | REDIS,
        "redis": set(),
    }


def test_each_part_is_reached_where_it_must_be_and_nowhere_else(defaults):
    assert matrix(defaults, "ingress") == {
        "worker-default": METRICS,
        "beat": METRICS,
        "web": METRICS | {("http", "every namespace")},
        # Its /metrics and /healthcheck know no password.
        "flower": set(),
        "redis": {("redis", "release")},
    }


def test_what_is_switched_on_is_opened(render):
    objects = render(
        {
            "workers": {"pools": {"default": {"autoscaling": {"mode": "keda"}}}},
            "monitoring": {"serviceMonitor": {"enabled": True}, "traceEndpoint": "http://collector.tracing:4318"},
            "flower": {
                "oauth": {"provider": "github", "allow": ".*", "redirectURI": "https://x/", "existingSecret": "oauth"}
            },
        }
    )
    egress, ingress = matrix(objects, "egress"), matrix(objects, "ingress")
    assert ingress["redis"] == {("redis", "release"), ("redis", "keda")}
    assert ingress["flower"] == {("http", "monitoring")}
    assert ("443", "any") in egress["flower"]
    for name in ("worker-default", "beat", "web"):
        assert ("4318", "any") in egress[name]


def test_what_is_switched_off_is_closed(render):
    policy = {
        "smtpPorts": [],
        "egressPorts": [443],
        "egressCIDRs": ["10.0.0.0/8"],
        "metricsFrom": [],
        "apiPorts": [443],
    }
    external = {"internal": {"enabled": False}, "external": {"address": "redis.example:6380"}}
    objects = render({"networkPolicy": policy, "redis": external})
    egress = matrix(objects, "egress")
    assert egress["worker-default"] == egress["beat"] == DNS | {("443", "10.0.0.0/8"), ("6380", "any")}
    assert matrix(objects, "ingress")["beat"] == set()


@pytest.mark.parametrize("pools", [{"fetch": {"queues": ["fetch"]}, "apply": {"queues": ["apply"]}}])
def test_every_pool_is_a_worker(render, pools):
    egress = matrix(render({"workers": {"pools": pools}}), "egress")
    assert egress["worker-fetch"] == egress["worker-apply"] == DNS | REDIS | OUTSIDE
