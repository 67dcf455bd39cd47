from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from testbed.controlplane import ControlPlane

CRDS = Path(__file__).parents[3] / "helm" / "crds"
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def api_with_crds(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with our CRDs established."""
    names = []
    for file in sorted(CRDS.glob("*.yaml")):
        crd = yaml.safe_load(file.read_text())
        control_plane.api.apply(f"{PATH}/{crd['metadata']['name']}", crd)
        names.append(crd["metadata"]["name"])
    deadline = time.monotonic() + 30
    while names and time.monotonic() < deadline:
        conditions = (control_plane.api.request("GET", f"{PATH}/{names[0]}").get("status") or {}).get(
            "conditions"
        ) or []
        held = {entry["type"]: entry for entry in conditions}
        assert "NonStructuralSchema" not in held, held
        if held.get("Established", {}).get("status") == "True":
            names.pop(0)
        else:
            time.sleep(0.05)
    assert not names
    return control_plane
