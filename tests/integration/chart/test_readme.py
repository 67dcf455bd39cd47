"""The chart's README is what helm-docs makes of README.md.gotmpl and the comments of values.yaml."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from testbed import build

CHART = Path(__file__).parents[3] / "helm"
#: `helm-docs --chart-search-root helm` with these makes the README anew.
FLAGS = ["--sort-values-order", "file", "--skip-version-footer", "--log-level", "warning"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> str:
    """The README as helm-docs makes it now."""
    try:
        helm_docs = build.tool("helm-docs")
    except build.GoMissingError as error:
        pytest.skip(str(error))
    chart = tmp_path_factory.mktemp("chart") / "helm"
    shutil.copytree(CHART, chart)
    (chart / "README.md").unlink()
    subprocess.run([helm_docs, "--chart-search-root", chart, *FLAGS], check=True)
    return (chart / "README.md").read_text()


def test_the_readme_is_up_to_date(made):
    assert (CHART / "README.md").read_text() == made


def test_every_value_is_described(made):
    rows = re.findall(r"^\| (\S+) \| (\w+) \| (`.*?`) \|(.*)\|$", made, re.M)
    assert rows
    assert [key for key, _, _, description in rows if not description.strip()] == []


def test_the_schema_knows_every_value_and_nothing_else():
    schema = json.loads((CHART / "values.schema.json").read_text())
    definitions = schema.get("$defs") or schema.get("definitions") or {}

    def resolve(node):
        return definitions[node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node

    def compare(value, node, path):
        node = resolve(node)
        known = node.get("properties") or {}
        if not isinstance(value, dict) or not known:
            return
        if path != "settings":
            # Helm passes `global` to every chart.
            assert set(value) == set(known) - {"global"}, path
            assert node.get("additionalProperties") is False, path
        for key, inner in value.items():
            if key in known:
                compare(inner, known[key], f"{path}.{key}".strip("."))

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "")
