"""The model of an Application: every field of a manifest is kept, a wrong one is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.errors import InvalidSpecError
from gitops.model.application import Application

SPEC: dict[str, Any] = {
    "project": "default",
    "source": {"repoURL": "https://git.example/team/app.git", "path": "k8s", "targetRevision": "HEAD"},
    "destination": {"server": "https://kubernetes.default.svc", "namespace": "app"},
}


def application(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "app", "namespace": "argocd"},
        "spec": spec,
    }


def of_folder(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every Application of a folder; placeholders of templates are filled."""
    found = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        text = re.sub(r"\{\{ ?\.\w+ ?\}\}", "filled", path.read_text(errors="replace"))
        try:
            docs = list(yaml.safe_load_all(text))
        except yaml.YAMLError:
            continue
        found += [
            (path, doc)
            for doc in docs
            if isinstance(doc, dict)
            and doc.get("kind") == "Application"
            and str(doc.get("apiVersion", "")).startswith("argoproj.io/")
            and isinstance(doc.get("spec"), dict)
        ]
    return found


def lost(sent: Any, kept: Any, path: str = "spec") -> list[str]:
    """Paths of what was written and is not there, or is something else."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        return [entry for name, value in sent.items() for entry in lost(value, kept.get(name), f"{path}.{name}")]
    if isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        return [entry for n, pair in enumerate(zip(sent, kept, strict=True)) for entry in lost(*pair, f"{path}[{n}]")]
    return [] if sent == kept else [path]


def test_every_field_of_real_manifests_is_kept(conformance: Path) -> None:
    found = of_folder(conformance)
    assert found
    for path, doc in found:
        read = Application.from_object({**doc, "metadata": {"namespace": "argocd", **doc["metadata"]}})
        assert lost(doc["spec"], read.spec.to_api()) == [], path


def test_a_field_that_nobody_knows_is_kept() -> None:
    spec = {**SPEC, "tomorrow": {"a": [1, None, {"b": True}]}}
    spec["source"] = {**SPEC["source"], "helm": {"tomorrow": "too"}}
    assert Application.from_object(application(spec)).spec.to_api() == spec


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"destination": "here"}, "spec.destination"),
        ({"syncPolicy": {"automated": {"prune": "perhaps"}}}, "spec.syncPolicy.automated.prune"),
        ({"syncPolicy": {"retry": {"limit": "many"}}}, "spec.syncPolicy.retry.limit"),
        ({"revisionHistoryLimit": "ten"}, "spec.revisionHistoryLimit"),
        ({"ignoreDifferences": [{"group": "apps"}]}, "spec.ignoreDifferences.0.kind"),
        (
            {"source": {**SPEC["source"], "helm": {"parameters": [{"value": "x"}]}}},
            "spec.source.helm.parameters.0.name",
        ),
    ],
)
def test_a_wrong_field_is_named_by_its_path(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpecError) as raised:
        Application.from_object(application({**SPEC, **change}))
    assert field in str(raised.value)
    assert "argocd/app" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": None}, "spec.source"),
        ({"source": {"path": "k8s"}}, "spec.source.repoURL"),
        ({"source": {"repoURL": "https://git.example/app.git"}}, "spec.source has neither path nor chart"),
        ({"sources": [SPEC["source"], {"path": "k8s"}]}, "spec.sources[1].repoURL"),
        ({"source": {**SPEC["source"], "helm": {}, "kustomize": {}}}, "spec.source names multiple"),
    ],
)
def test_a_source_that_cannot_be_rendered_is_named(change: dict[str, Any], field: str) -> None:
    app = Application.from_object(application({**SPEC, **change}))
    with pytest.raises(InvalidSpecError) as raised:
        assert app.all_sources
    assert field in str(raised.value)
    assert "argocd/app" in str(raised.value)


def test_no_value_of_the_manifest_is_in_the_sentence() -> None:
    spec = {**SPEC, "source": {**SPEC["source"], "helm": {"values": ["hunter2"]}}}
    with pytest.raises(InvalidSpecError) as raised:
        Application.from_object(application(spec))
    assert "hunter2" not in str(raised.value)
