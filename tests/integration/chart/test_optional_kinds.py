"""What the chart makes for KEDA and the Prometheus operator, before a real API server with their own CRDs."""

from __future__ import annotations

import secrets

import pytest
import yaml

from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import Manifest, ObjectKey
from testbed import build, crds
from testbed.world import eventually

pytestmark = pytest.mark.cluster

VALUES = {
    "workers": {
        "pools": {
            "default": {"queues": ["fetch", "diff", "fetch-urgent"], "autoscaling": {"mode": "keda"}},
            "apply": {"queues": ["apply", "apply-urgent"], "autoscaling": {"mode": "keda", "maxReplicas": 20}},
        }
    },
    "monitoring": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True},
    },
}
OPTIONAL = {
    "ScaledObject": ("keda.sh", 2),
    "TriggerAuthentication": ("keda.sh", 1),
    "PodMonitor": ("monitoring.coreos.com", 1),
    "ServiceMonitor": ("monitoring.coreos.com", 1),
    "PrometheusRule": ("monitoring.coreos.com", 1),
}


@pytest.fixture(scope="module")
def operators(chart_cluster):
    """The cluster with the CRDs of both."""
    try:
        found = [crd for project in crds.ORIGINS for crd in crds.of(project)]
    except build.GoMissingError as error:
        pytest.skip(str(error))
    kinds = {kind: group for kind, (group, _) in OPTIONAL.items()}
    wanted = [crd for crd in found if kinds.get(crd["spec"]["names"]["kind"]) == crd["spec"]["group"]]
    assert len(wanted) == len(kinds)
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for crd in wanted:
        chart_cluster.api.apply(f"{path}/{crd['metadata']['name']}", crd)

    def served(crd):
        status = chart_cluster.api.request("GET", f"{path}/{crd['metadata']['name']}").get("status") or {}
        return any(c["type"] == "Established" and c["status"] == "True" for c in status.get("conditions", []))

    eventually(lambda: all(served(crd) for crd in wanted), "the CRDs")
    return chart_cluster


@pytest.fixture
def client(operators):
    return ClusterClient(Connection.from_kubeconfig(operators.kubeconfig))


def test_each_is_taken_as_it_is(operators, client, render):
    namespace = operators.create_namespace(f"optional-{secrets.token_hex(3)}")
    objects = [obj for obj in render(VALUES, namespace=namespace) if obj["kind"] in OPTIONAL]
    counted = {kind: sum(obj["kind"] == kind for obj in objects) for kind in OPTIONAL}
    assert counted == {kind: number for kind, (_, number) in OPTIONAL.items()}
    for obj in objects:
        obj["metadata"]["namespace"] = namespace
        # Strict: a field that the CRD does not know is refused, not dropped.
        client.apply(Manifest.of(obj), validate="Strict")
        group = obj["apiVersion"].partition("/")[0]
        live = client.get(ObjectKey(group, obj["kind"], namespace, obj["metadata"]["name"]))
        assert yaml.safe_dump(live["spec"]) == yaml.safe_dump(obj["spec"]), "nothing was dropped or defaulted away"


def test_a_field_that_they_do_not_know_is_refused(operators, client, render):
    (monitor,) = [obj for obj in render(VALUES) if obj["kind"] == "PodMonitor"]
    monitor["spec"]["podMetricEndpoints"] = []
    monitor["metadata"]["namespace"] = "default"
    with pytest.raises(Exception, match="podMetricEndpoints"):
        client.apply(Manifest.of(monitor), validate="Strict", dry_run=True)
