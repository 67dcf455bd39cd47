"""What a run's processes showed at /metrics, as series that promtool evaluates rules on.

    recording = Recording("helm/rules/alerts.yaml")
    recording.take("calm", urls, minutes=20)   # what is shown now stands for so many minutes
    ever, still = recording.firing(promtool)   # the alerts that fire meanwhile, and at its end

A run of seconds stands for hours: each look is held for as long as it says, so that the rules' `for` and ranges pass.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

#: An age goes on growing while a look is held.
AGES = frozenset({"gitops_queue_oldest_message_seconds"})


@dataclass
class Recording:
    """Looks at processes, one after the other."""

    rules: Path
    _looks: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)

    def take(self, name: str, urls: Mapping[str, str], minutes: int) -> dict[str, float]:
        """Scrape each address of `urls`, by instance; one that does not answer has no series. Returns the series."""
        used = set(re.findall(r"\b(?:argocd|gitops|workqueue)_[a-z0-9_]+", self.rules.read_text()))
        series: dict[str, float] = {}
        for instance, url in urls.items():
            try:
                text = httpx.get(url, timeout=10).raise_for_status().text
            except httpx.HTTPError:
                continue
            for metric in text_string_to_metric_families(text):
                for sample in metric.samples:
                    if sample.name in used and not math.isnan(sample.value):
                        series[_series(sample.name, {**sample.labels, "instance": instance})] = sample.value
        self._looks.append((name, minutes, series))
        return series

    def firing(self, promtool: Path) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """The alerts that fire at any time while a look is held, and those that still do at its end, by its name."""
        alerts = sorted(rule["alert"] for group in self._groups() for rule in group["rules"])
        ends, end, checks = {}, -1, []
        for name, minutes, _ in self._looks:
            end += minutes
            ends[end] = name
            for alert in alerts:
                series = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
                for question in (f"count(count_over_time({series}[{minutes}m]))", f"count({series})"):
                    checks.append({"expr": question, "eval_time": f"{end}m"})
        # Nothing is expected, so promtool tells of each alert that fires, and of no other.
        test = {
            "rule_files": [str(self.rules)],
            "evaluation_interval": "1m",
            "tests": [{"interval": "1m", "input_series": self._input(), "promql_expr_test": checks}],
        }
        ever: dict[str, set[str]] = {name: set() for name in ends.values()}
        still: dict[str, set[str]] = {name: set() for name in ends.values()}
        for expr, alert, time in self._told(promtool, test):
            (ever if "count_over_time" in expr else still)[ends[_minutes(time)]].add(alert)
        return ever, still

    @staticmethod
    def _told(promtool: Path, test: dict[str, Any]) -> list[tuple[str, str, str]]:
        """Runs promtool; (expression, alert, time) of each check that gave something."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "live.yaml"
            file.write_text(yaml.safe_dump(test))
            done = subprocess.run(
                [promtool, "test", "rules", file], capture_output=True, text=True, check=False, timeout=120
            )
        said = done.stdout + done.stderr
        told = re.findall(r'expr: "(.*?alertname=\\"(\w+)\\".*?)", time: ([^,]+),', said)
        if bool(told) is (done.returncode == 0):
            raise AssertionError(f"promtool cannot evaluate the recording: {said[:3000]}")
        return told

    def _groups(self) -> list[dict[str, Any]]:
        return list(yaml.safe_load(self.rules.read_text())["groups"])

    def _input(self) -> list[dict[str, str]]:
        names = sorted({name for _, _, series in self._looks for name in series})
        return [{"series": name, "values": " ".join(self._values(name))} for name in names]

    def _values(self, name: str) -> list[str]:
        found = []
        for _, minutes, series in self._looks:
            value = series.get(name)
            if value is None:
                found.append(f"_x{minutes}")  # unlike a value's `x`, which counts the repetitions
            elif value and name.partition("{")[0] in AGES:
                found.append(f"{value}+60x{minutes - 1}")
            else:
                found.append(f"{value}x{minutes - 1}")
        return found


def _series(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ",".join(f"{key}={json.dumps(value)}" for key, value in sorted(labels.items())) + "}"


def _minutes(duration: str) -> int:
    """Go's way of writing a duration, "1h5m0s" or "40m", in minutes."""
    parts: dict[str, int] = {unit: int(number) for number, unit in re.findall(r"(\d+)([hms])", duration)}
    return parts.get("h", 0) * 60 + parts.get("m", 0)
