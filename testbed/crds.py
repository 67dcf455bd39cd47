"""CRDs of others, out of their Go modules: what a chart's optional kinds are checked against.

for crd in crds.of("keda"):
    cluster.api.apply(…)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testbed.build import BuildError, GoMissingError


@dataclass(frozen=True)
class Origin:
    """A module at a version, with the sum that a go.sum would hold, and the folder of its CRDs."""

    module: str
    version: str
    sum: str
    folder: str


ORIGINS = {
    "prometheus-operator": Origin(
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        "example/prometheus-operator-crd",
    ),
    "keda": Origin(
        "github.com/kedacore/keda/v2",
        "v2.21.0",
        "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
        "config/crd/bases",
    ),
}


class _Loader(yaml.CSafeLoader):
    """What kubectl reads: `=`, which YAML 1.1 has a type of its own for, is text."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _loader, node: node.value)


def of(project: str) -> list[dict[str, Any]]:
    """The CRDs of a project of ORIGINS. Raises GoMissingError, and BuildError where the module is not what it was."""
    origin = ORIGINS[project]
    files = sorted((_download(origin) / origin.folder).glob("*.yaml"))
    found = [doc for file in files for doc in yaml.load_all(file.read_text(), _Loader) if doc]
    crds = [doc for doc in found if doc.get("kind") == "CustomResourceDefinition"]
    if not crds:
        raise BuildError(f"{origin.module} {origin.version} has no CRDs in {origin.folder}")
    return crds


def _download(origin: Origin) -> Path:
    """The unpacked module, from Go's module cache or through its proxy."""
    if not shutil.which("go"):
        raise GoMissingError(f"Go is needed to bring the CRDs of {origin.module}; put `go` on PATH.")
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            ["go", "mod", "download", "-json", f"{origin.module}@{origin.version}"],
            cwd=empty, env={**os.environ, "GOWORK": "off", "GOFLAGS": ""}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    answer = json.loads(done.stdout or "{}")
    if done.returncode or "Error" in answer:
        raise BuildError(f"{origin.module} cannot be fetched: {answer.get('Error') or done.stderr.strip()}")
    if answer["Sum"] != origin.sum:
        raise BuildError(f"{origin.module} {origin.version} is not what it was: its sum is {answer['Sum']}")
    return Path(answer["Dir"])
