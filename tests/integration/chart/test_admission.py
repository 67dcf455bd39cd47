"""The chart applied whole to a real API server, into a namespace that enforces the restricted standard."""

from __future__ import annotations

import importlib.util
import secrets
from pathlib import Path

import pytest
import yaml

from testbed.api import ApiError
from testbed.processes import wait_until

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("chart_rendering", ROOT / "tests/unit/chart/conftest.py")
assert _spec is not None
assert _spec.loader is not None
rendering = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(rendering)

pytestmark = pytest.mark.cluster

POOLS = {
    "default": None,
    "fetch": {"queues": ["fetch", "fetch-urgent"], "autoscaling": {"mode": "hpa"}},
    "apply": {"queues": ["diff", "apply", "diff-urgent", "apply-urgent"]},
}
INGRESS = {"enabled": True, "host": "gitops.example"}


def refused(control_plane, namespace):
    """What the API server has to say against a pod that runs as anybody; "" where it takes it."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root"},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }
    try:
        control_plane.api.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
    except ApiError as error:
        return str(error)
    return ""


@pytest.fixture
def restricted(control_plane):
    """A namespace in which the API server refuses every pod that is not restricted, and does so by now."""
    name = control_plane.create_namespace(f"chart-{secrets.token_hex(4)}")
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    control_plane.api.request(
        "PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}}, "application/merge-patch+json"
    )
    wait_until(lambda: refused(control_plane, name), 30, "the namespace's labels at the API server's admission")
    yield name
    control_plane.api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"workers": {"pools": POOLS}, "rbac": {"level": "impersonation"}, "web": {"ingress": INGRESS}},
        {"rbac": {"level": "namespaced"}, "flower": {"ingress": INGRESS, "persistence": {"enabled": False}}},
    ],
    ids=["defaults", "pools-and-impersonation", "namespaced"],
)
def test_nothing_of_the_chart_is_rejected(control_plane, restricted, values):
    if values.get("rbac", {}).get("level") == "namespaced":
        values = values | {"rbac": {"level": "namespaced", "namespaces": [restricted]}}
    # Prefixes make the cluster-wide objects of one case those of no other.
    objects = rendering.render_chart(values | {"fullnameOverride": restricted})
    crds = [obj for path in sorted((ROOT / "helm/crds").glob("*.yaml")) for obj in yaml.safe_load_all(path.read_text())]
    for obj in objects:
        if obj["metadata"].get("namespace") == "argocd":
            obj["metadata"]["namespace"] = restricted
        for subject in obj.get("subjects", []):
            subject["namespace"] = restricted

    manifest = yaml.safe_dump_all([*crds, *objects])
    said = control_plane.kubectl(
        "apply", "--server-side", "--force-conflicts", "-n", restricted, "-f", "-", "--validate=strict", stdin=manifest
    )

    assert len(said.splitlines()) == len(crds) + len(objects)
    assert "Warning" not in said

    # Deployments are accepted whatever their pods: the pods themselves must be admitted too.
    for obj in objects:
        if obj["kind"] in ("Deployment", "StatefulSet"):
            template = obj["spec"]["template"]
            # Volumes by claim templates are the controller's to add.
            mounted = {volume["name"] for volume in template["spec"].get("volumes", [])}
            for claim in obj["spec"].get("volumeClaimTemplates", []):
                if claim["metadata"]["name"] not in mounted:
                    template["spec"]["volumes"].append({"name": claim["metadata"]["name"], "emptyDir": {}})
            template["spec"].pop("serviceAccountName", None)
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": obj["metadata"]["name"]},
                "spec": template["spec"],
            }
            answer = control_plane.api.request("POST", f"/api/v1/namespaces/{restricted}/pods?dryRun=All", pod)
            assert answer["metadata"]["name"] == obj["metadata"]["name"]


def test_the_restricted_namespace_does_refuse_others(control_plane, restricted):
    assert "restricted" in refused(control_plane, restricted)
