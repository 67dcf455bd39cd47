"""`gitops plan PATH` prints the steps of a first sync, without a cluster."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "gitops.cli", "plan", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "all.yaml").write_text(
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {argocd.argoproj.io/sync-wave: "1"}}
spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: []}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: late, annotations: {argocd.argoproj.io/sync-wave: "2"}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {argocd.argoproj.io/hook: PreSync}}
spec: {template: {spec: {restartPolicy: Never, containers: []}}}
"""
    )
    return tmp_path


def test_steps_in_their_order_and_what_they_wait_for(folder: Path) -> None:
    rows = json.loads(run(str(folder), "-n", "prod", "-o", "json").stdout)

    assert [(r["step"], r["phase"], r["wave"], r["kind"], r["namespace"], r["name"], r["waitsFor"]) for r in rows] == [
        (1, "PreSync", 0, "Job", "prod", "migrate", "completed"),
        (2, "Sync", 0, "ClusterRole", "", "reader", ""),
        (3, "Sync", 1, "Deployment", "prod", "web", "healthy"),
        (4, "Sync", 2, "ConfigMap", "prod", "late", ""),
    ]


def test_the_table_has_the_same(folder: Path) -> None:
    lines = run(str(folder)).stdout.splitlines()

    assert [line.split() for line in lines[:3]] == [
        ["STEP", "PHASE", "WAVE", "KIND", "NAMESPACE", "NAME", "ACTION", "WAITS", "FOR"],
        ["1", "PreSync", "0", "Job.batch", "default", "migrate", "hook", "completed"],
        ["2", "Sync", "0", "ClusterRole.rbac.authorization.k8s.io", "reader", "apply"],
    ]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    done = run(str(tmp_path / "none"))

    assert done.returncode == 1
    assert done.stderr == f"gitops: {tmp_path / 'none'} is not a directory\n"
