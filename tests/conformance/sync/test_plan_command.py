"""`gitops plan` on every case and example: the steps in order, or one sentence and exit code 1."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

#: What cannot be planned as it lies there, and what the sentence names.
ODD = {
    "declarative-apps": "app.yaml, document 1, line 4",
    "helm-dependency": "dependency wordpress",
    "helm-with-dependencies": "dependency helm",
    "invalid-kustomize": "does-not-exist.yaml",
    "jsonnet-ext-var": "undefined external variable",
}
PHASES = ["PreSync", "Sync", "PostSync", "SyncFail"]


def plan(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gitops.cli", "plan", str(folder), "-o", "json"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("part", ["cases", "example-apps"])
def test_every_directory_is_planned_or_explained(conformance: Path, part: str) -> None:
    folders = sorted(path for path in (conformance / part).iterdir() if path.is_dir())
    with ThreadPoolExecutor(2) as pool:
        planned = list(pool.map(plan, folders))
    for folder, done in zip(folders, planned, strict=True):
        if folder.name in ODD:
            assert done.returncode == 1, folder.name
            assert done.stderr.startswith("gitops: "), folder.name
            assert ODD[folder.name] in done.stderr, folder.name
            assert len(done.stderr.splitlines()) == 1, folder.name
            assert done.stdout == "", folder.name
            continue
        assert (done.returncode, done.stderr) == (0, ""), folder.name
        rows = json.loads(done.stdout)
        places = [(PHASES.index(row["phase"]), row["wave"]) for row in rows]
        assert places == sorted(places), folder.name
        numbers = [row["step"] for row in rows]
        assert numbers == sorted(numbers), folder.name
        assert all(row["kind"] and row["name"] and "waitsFor" in row for row in rows), folder.name
