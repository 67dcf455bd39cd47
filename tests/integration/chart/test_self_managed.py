"""The engine manages itself: it runs from the chart, and syncs the chart from Git as any other application."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gitops.model.objects import ObjectKey
from testbed.world import eventually

CHART = Path(__file__).parents[3] / "helm"
pytestmark = pytest.mark.cluster


def chart_files():
    """The chart as it lies in this project's repository."""
    files = (path for path in sorted(CHART.rglob("*")) if path.is_file())
    return {f"helm/{path.relative_to(CHART)}": path.read_text() for path in files}


def test_the_engine_syncs_its_own_chart(install, chart_git):
    release = install()
    for component in ("beat", "worker-default"):
        release.start(component)
    repo = chart_git.create("engine")
    repo.publish(chart_files(), "the chart")
    installed = {
        "fullnameOverride": release.name,
        "secrets": {"existingSecret": f"{release.name}-secrets"},
        "redis": {"internal": {"enabled": False}, "external": {"address": f"127.0.0.1:{release.redis.port}"}},
        "settings": release.values["settings"],
    }
    release.application(
        "engine",
        repo.http_url,
        release.namespace,
        source={
            "repoURL": repo.http_url,
            "path": "helm",
            "targetRevision": "HEAD",
            "helm": {"releaseName": "engine", "valuesObject": installed},
        },
        syncPolicy={"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["ServerSideApply=true"]},
    )

    status = release.becomes("engine", timeout=90)["status"]
    managed = {(row["kind"], row["name"]) for row in status["resources"]}
    made = {(obj["kind"], obj["metadata"]["name"]) for obj in release.objects}
    kept = ("Secret", f"{release.name}-secrets")
    assert made - managed == {kept}, "all but the Secret that the first installation made is managed"
    assert release.secret("seal-key"), "and that is kept"
    assert {name for kind, name in managed if kind == "CustomResourceDefinition"} >= {"applications.argoproj.io"}

    # Another number of beats is a commit.
    values = (CHART / "values.yaml").read_text()
    more, count = re.subn(r"^(beat:\n.*\n  replicas: )2$", r"\g<1>3", values, flags=re.M)
    assert count == 1
    repo.publish({"helm/values.yaml": more}, "three beats")
    release.client.merge_patch(
        ObjectKey("argoproj.io", "Application", release.namespace, "engine"),
        {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}},
    )
    beat = ObjectKey("apps", "Deployment", release.namespace, f"{release.name}-beat")
    eventually(lambda: release.client.get(beat)["spec"]["replicas"] == 3, "three beats", context=release.pods.logs)
    release.becomes("engine", timeout=90)
