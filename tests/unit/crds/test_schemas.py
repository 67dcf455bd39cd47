"""The CRDs as files: names, columns, subresources, and that no object loses a field."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

CRDS = Path(__file__).parents[3] / "helm" / "crds"


def crd(name: str) -> dict:
    return yaml.safe_load((CRDS / f"{name}.yaml").read_text())


def version(name: str) -> dict:
    (only,) = crd(name)["spec"]["versions"]
    return only


@pytest.mark.parametrize(
    ("name", "kind", "short"),
    [
        ("application", "Application", ["app", "apps"]),
        ("appproject", "AppProject", ["appproj", "appprojs"]),
        ("applicationset", "ApplicationSet", ["appset", "appsets"]),
    ],
)
def test_names(name, kind, short):
    names = crd(name)["spec"]["names"]
    assert (names["kind"], names["shortNames"]) == (kind, short)


def test_an_application_is_patched_as_one_object():
    assert not version("application")["subresources"]
    assert version("applicationset")["subresources"] == {"status": {}}


def test_columns_of_an_application():
    columns = {
        column["name"]: column.get("priority", 0) for column in version("application")["additionalPrinterColumns"]
    }
    assert columns == {"Sync Status": 0, "Health Status": 0, "Revision": 10, "Project": 10}


@pytest.mark.parametrize("name", ["application", "appproject", "applicationset"])
def test_every_object_keeps_fields_that_the_schema_does_not_name(name):
    closed = []

    def walk(node: dict, path: str) -> None:
        if (
            node.get("type") == "object"
            and "properties" in node
            and not node.get("x-kubernetes-preserve-unknown-fields")
        ):
            closed.append(path)
        for key, value in (node.get("properties") or {}).items():
            walk(value, f"{path}.{key}")
        if isinstance(node.get("items"), dict):
            walk(node["items"], f"{path}[]")

    walk(version(name)["schema"]["openAPIV3Schema"], "")
    assert closed == [""]  # the root, whose other fields the API server itself defines
