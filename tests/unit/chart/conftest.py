"""The chart rendered by Helm's library in a process of its own: its Go runtime must not be forked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm"

_RENDER = """
import json, sys
import helm_python
values = json.load(sys.stdin)
try:
    chart = helm_python.Chart.load(sys.argv[1])
    print(json.dumps(chart.render(values, name="engine", namespace=sys.argv[2])))
except helm_python.HelmError as error:
    print(json.dumps({"error": str(error)}))
"""

Render = Callable[..., list[dict[str, Any]]]


class ChartError(Exception):
    """Helm refuses the values."""


def render_chart(values: dict[str, Any] | None = None, namespace: str = "argocd") -> list[dict[str, Any]]:
    """The chart's objects under these values, for a release in `namespace`. Raises ChartError with Helm's words."""
    command = [sys.executable, "-c", _RENDER, str(CHART), namespace]
    answer = subprocess.run(command, input=json.dumps(values or {}), capture_output=True, text=True, check=True)
    files = json.loads(answer.stdout.splitlines()[-1])
    if "error" in files:
        raise ChartError(files["error"])
    return [
        obj for path, text in sorted(files.items()) if path.endswith(".yaml") for obj in yaml.safe_load_all(text) if obj
    ]


@pytest.fixture(scope="session")
def defaults() -> list[dict[str, Any]]:
    """The objects of a chart without values."""
    return render_chart()


@pytest.fixture(scope="session")
def render() -> Render:
    return render_chart
