"""Each alert stays quiet, fires and clears on recorded series, as promtool sees it."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from redis import Redis

from gitops.observe import REGISTRY, AppCollector, ClusterCollector, QueueCollector, metrics
from testbed import build

RULES = Path(__file__).parents[3] / "helm/rules"


@pytest.fixture(scope="module")
def promtool() -> Path:
    try:
        return build.tool("promtool")
    except build.GoMissingError as error:
        pytest.skip(str(error))


def test_the_rules_fire_and_clear(promtool):
    tests = RULES / "tests/alerts_test.yaml"
    said = subprocess.run([promtool, "test", "rules", tests], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    checked = subprocess.run(
        [promtool, "check", "rules", "--lint-fatal", RULES / "alerts.yaml"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_alert_is_without_a_test_that_sees_it_fire_and_clear():
    alerts = {
        rule["alert"]
        for group in yaml.safe_load((RULES / "alerts.yaml").read_text())["groups"]
        for rule in group["rules"]
    }
    seen = {}
    for test in yaml.safe_load((RULES / "tests/alerts_test.yaml").read_text())["tests"]:
        for check in test["alert_rule_test"]:
            seen.setdefault(check["alertname"], []).append(bool(check["exp_alerts"]))
    assert set(seen) == alerts
    assert all(states == [False, True, False] for states in seen.values()), "quiet, firing, quiet again"


def test_alerts_and_dashboards_speak_only_of_series_that_the_engine_has(promtool, redis_url):
    dashboards = [json.loads(path.read_text()) for path in sorted((RULES.parent / "dashboards").glob("*.json"))]
    queries = [target["expr"] for board in dashboards for panel in board["panels"] for target in panel["targets"]]
    queries += [
        rule["expr"]
        for group in yaml.safe_load((RULES / "alerts.yaml").read_text())["groups"]
        for rule in group["rules"]
    ]
    known = set(metric_names(Redis.from_url(redis_url)))
    assert len(queries) > len(dashboards)
    for query in queries:
        command = [promtool, "promql", "format", "--experimental", query]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 0, query + said.stderr
        used = set(re.findall(r"\b(?:argocd|gitops|workqueue)_[a-z0-9_]+", query))
        assert used, query
        assert used <= known, query


def metric_names(redis: Redis) -> Iterator[str]:
    """The names of all series: those counted in the process, and those made at each scrape."""
    metrics.build_info("beat")
    metrics.leader(True)
    collectors = [
        QueueCollector(redis, "gitops:", counts=lambda: True),
        AppCollector(lambda: []),
        ClusterCollector(lambda: []),
    ]
    for metric in itertools.chain(REGISTRY.collect(), *(collector.collect() for collector in collectors)):
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(metric.type, [""])
        yield from (metric.name + ending for ending in endings)
