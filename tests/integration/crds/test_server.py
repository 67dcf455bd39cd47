"""The CRDs on a real API server: what Argo CD's users write is taken, and comes back whole."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.api import ApiError

PLURALS = {"Application": "applications", "AppProject": "appprojects", "ApplicationSet": "applicationsets"}

FULL = {
    "project": "default",
    "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
    "sources": [
        {
            "repoURL": "https://charts.example.com",
            "chart": "web",
            "targetRevision": "1.x",
            "helm": {
                "valuesObject": {"deep": {"list": [1, {"a": None, "b": True}]}},
                "parameters": [{"name": "a.b", "value": "c", "forceString": True}],
                "fieldOfTomorrow": {"kept": 1},
            },
        },
        {
            "repoURL": "git@example.com:team/app.git",
            "path": "overlays/prod",
            "kustomize": {"replicas": [{"name": "web", "count": 3}, {"name": "db", "count": "2"}], "images": ["a=b:c"]},
        },
    ],
    "syncPolicy": {"automated": {}, "syncOptions": ["CreateNamespace=true"], "retry": {"limit": -1}},
    "fieldOfTomorrow": ["kept"],
}


def documents(folder: Path) -> list[dict[str, Any]]:
    """Every Application, AppProject and ApplicationSet that the data holds; placeholders of templates are filled."""
    found = []
    for file in sorted(folder.rglob("*")):
        if file.suffix not in (".yaml", ".yml", ".json") or not file.is_file():
            continue
        text = re.sub(r"\{\{\.\w+\}\}", "filled", file.read_text(errors="replace"))
        try:
            loaded = list(yaml.safe_load_all(text))
        except yaml.YAMLError:
            continue
        found += [
            doc
            for doc in loaded
            if isinstance(doc, dict)
            and doc.get("kind") in PLURALS
            and str(doc.get("apiVersion", "")).startswith("argoproj.io/")
        ]
    return found


def pruned(sent: Any, held: Any, path: str = "") -> list[str]:
    """Paths of what was sent and is not held."""
    if isinstance(sent, dict) and isinstance(held, dict):
        return [
            entry
            for key, value in sent.items()
            if value is not None
            for entry in ([f"{path}.{key}"] if key not in held else pruned(value, held[key], f"{path}.{key}"))
        ]
    if isinstance(sent, list) and isinstance(held, list) and len(sent) == len(held):
        return [entry for i, pair in enumerate(zip(sent, held, strict=True)) for entry in pruned(*pair, f"{path}[{i}]")]
    return [] if sent == held else [path]


def create(cluster, namespace: str, obj: dict[str, Any]) -> dict[str, Any]:
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/{PLURALS[obj['kind']]}"
    meta = {k: v for k, v in (obj.get("metadata") or {}).items() if k in ("labels", "annotations", "finalizers")}
    body = {**obj, "metadata": {**meta, "name": f"t-{secrets.token_hex(4)}", "namespace": namespace}}
    body["metadata"].pop("finalizers", None)
    return cluster.api.request("POST", f"{path}?fieldValidation=Strict", body)


def application(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {}, "spec": {**FULL, **spec}}


def test_every_manifest_of_the_conformance_data_is_taken_whole(api_with_crds, namespace, conformance):
    found = documents(conformance)
    assert {doc["kind"] for doc in found} >= {"Application", "ApplicationSet"}
    for doc in found:
        made = create(api_with_crds, namespace, doc)
        assert pruned(doc.get("spec"), made.get("spec")) == []


def test_a_full_application_comes_back_whole(api_with_crds, namespace):
    obj = application()
    obj["operation"] = {"sync": {"revision": "HEAD", "prune": True, "extra": 1}, "initiatedBy": {"username": "me"}}
    obj["status"] = {
        "sync": {"status": "Synced", "comparedTo": {"any": [1]}},
        "history": [{"id": 0, "source": {"a": 1}}],
    }
    made = create(api_with_crds, namespace, obj)
    assert pruned(obj["spec"], made["spec"]) == []
    assert made["operation"] == obj["operation"]
    assert made["status"] == obj["status"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"syncPolicy": {"automated": {"prune": "yes"}}}, "spec.syncPolicy.automated.prune"),
        ({"destination": "here"}, "spec.destination"),
        ({"source": {"path": "x"}}, "spec.source.repoURL"),
        ({"revisionHistoryLimit": "ten"}, "spec.revisionHistoryLimit"),
        ({"ignoreDifferences": [{"group": "apps"}]}, "spec.ignoreDifferences[0].kind"),
    ],
)
def test_a_wrong_type_is_refused_by_its_field(api_with_crds, namespace, spec, field):
    with pytest.raises(ApiError) as refused:
        create(api_with_crds, namespace, application(**spec))
    assert refused.value.status == 422
    assert field in str(refused.value)


def test_printer_columns(api_with_crds, namespace):
    obj = application()
    obj["status"] = {"sync": {"status": "Synced", "revision": "abc"}, "health": {"status": "Healthy"}}
    create(api_with_crds, namespace, obj)
    header, row = api_with_crds.kubectl("get", "apps", "-n", namespace).splitlines()
    assert header.split() == ["NAME", "SYNC", "STATUS", "HEALTH", "STATUS"]
    assert row.split()[1:] == ["Synced", "Healthy"]
