"""The testbed's control plane behaves as a cluster does."""

import pytest

from testbed.api import ApiError
from testbed.controlplane import ControlPlane
from testbed.processes import wait_until

pytestmark = pytest.mark.cluster


def deployment(name: str, annotations: dict[str, str] | None = None, replicas: int = 1) -> dict:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations or {}},
                "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]},
            },
        },
    }


def job(name: str, annotations: dict[str, str] | None = None, **spec: object) -> dict:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            **spec,
            "template": {
                "metadata": {"annotations": annotations or {}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.com/job:1"}]},
            },
        },
    }


def condition(cluster: ControlPlane, path: str, kind: str) -> bool:
    conditions = cluster.api.request("GET", path)["status"].get("conditions", [])
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def container_states(cluster: ControlPlane, namespace: str) -> list[dict]:
    pods = cluster.api.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    return [status["state"] for pod in pods for status in pod["status"].get("containerStatuses", [])]


def test_a_deployment_becomes_available(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    control_plane.api.apply(path, deployment("web", replicas=3))
    wait_until(lambda: condition(control_plane, path, "Available"), 30, "web Available")
    assert control_plane.api.request("GET", path)["status"]["readyReplicas"] == 3


@pytest.mark.parametrize(("fail", "reason"), [("crash", "CrashLoopBackOff"), ("image-pull", "ImagePullBackOff")])
def test_a_pod_that_shall_fail_backs_off(control_plane: ControlPlane, namespace: str, fail: str, reason: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/broken"
    control_plane.api.apply(path, deployment("broken", {"testbed.gitops/fail": fail}))
    states = wait_until(lambda: container_states(control_plane, namespace), 30, "a container status")
    assert [state["waiting"]["reason"] for state in states] == [reason]
    assert not condition(control_plane, path, "Available")


def test_a_rollout_replaces_failing_pods(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    control_plane.api.apply(path, deployment("web", {"testbed.gitops/fail": "never-ready"}))
    wait_until(lambda: container_states(control_plane, namespace), 30, "a running container")
    assert not condition(control_plane, path, "Available")
    control_plane.api.apply(path, deployment("web", {"testbed.gitops/ready-after": "200ms"}))
    wait_until(lambda: condition(control_plane, path, "Available"), 30, "web Available")


def test_a_job_completes(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/migrate"
    control_plane.api.apply(path, job("migrate"))
    wait_until(lambda: condition(control_plane, path, "Complete"), 30, "migrate Complete")


def test_a_job_that_shall_fail_fails(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/migrate"
    control_plane.api.apply(path, job("migrate", {"testbed.gitops/fail": "exit"}, backoffLimit=0))
    wait_until(lambda: condition(control_plane, path, "Failed"), 30, "migrate Failed")


def test_a_running_job_is_deleted_with_its_pods(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/long"
    control_plane.api.apply(path, job("long", {"testbed.gitops/runs-for": "1h"}))
    wait_until(lambda: container_states(control_plane, namespace), 30, "a running container")
    control_plane.api.request("DELETE", f"{path}?propagationPolicy=Foreground")
    wait_until(lambda: control_plane.api.find(path) is None, 30, "the job's end")
    assert container_states(control_plane, namespace) == []


def test_a_claim_is_bound_and_a_load_balancer_gets_an_address(control_plane: ControlPlane, namespace: str) -> None:
    claim = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data"
    control_plane.api.apply(
        claim,
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
    )
    service = f"/api/v1/namespaces/{namespace}/services/web"
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    control_plane.api.apply(service, body | {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
    wait_until(lambda: control_plane.api.find(claim)["status"].get("phase") == "Bound", 30, "data Bound")
    wait_until(lambda: control_plane.api.find(service)["status"]["loadBalancer"].get("ingress"), 30, "an address")


def test_users_are_held_by_rbac(control_plane: ControlPlane, namespace: str) -> None:
    nobody = control_plane.kubeconfig_for("jane", ["developers"])
    account = control_plane.service_account_kubeconfig(namespace, "reader", cluster_role="view")
    assert answer(control_plane, nobody, namespace) == "no"
    assert answer(control_plane, account, namespace) == "yes"


def answer(cluster: ControlPlane, kubeconfig: object, namespace: str) -> str:
    """What `kubectl auth can-i` says about reading ConfigMaps."""
    asked = ("auth", "can-i", "get", "configmaps", "--namespace", namespace, "--kubeconfig", str(kubeconfig))
    return cluster.kubectl(*asked, check=False).split()[0]


def test_requests_can_be_counted(control_plane: ControlPlane, namespace: str) -> None:
    mark = control_plane.audit.mark()
    for _ in range(3):
        control_plane.api.request("GET", f"/api/v1/namespaces/{namespace}/secrets")
    assert len(control_plane.audit.events(mark, user="admin", verb="list", resource="secrets")) == 3


def test_a_refused_request_names_its_reason(control_plane: ControlPlane, namespace: str) -> None:
    with pytest.raises(ApiError, match="not found") as caught:
        control_plane.api.request("GET", f"/api/v1/namespaces/{namespace}/pods/nowhere")
    assert caught.value.status == 404


def test_two_planes_side_by_side_know_nothing_of_each_other(control_plane: ControlPlane) -> None:
    with ControlPlane(controllers=False) as other:
        other.create_namespace("only-here")
        assert other.api.find("/api/v1/namespaces/only-here")
        assert control_plane.api.find("/api/v1/namespaces/only-here") is None


def test_objects_outlive_the_api_server(control_plane: ControlPlane) -> None:
    with ControlPlane(controllers=False) as cluster:
        cluster.create_namespace("kept")
        cluster.stop_apiserver()
        with pytest.raises(OSError, match="refused"):
            cluster.api.find("/api/v1/namespaces/kept")
        cluster.start_apiserver()
        assert cluster.api.find("/api/v1/namespaces/kept")
