"""The engine runs with the rights that the chart gives it, and no more: the three levels before the real authorizer."""

from __future__ import annotations

import httpx
import pytest

from gitops.model.objects import ObjectKey
from testbed.world import eventually

pytestmark = pytest.mark.cluster

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: blue}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: pin}\nstringData: {pin: '1234'}\n"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web:1}]}
"""
FILES = {"app/settings.yaml": SETTINGS, "app/secret.yaml": SECRET, "app/web.yaml": DEPLOYMENT}


def run(release):
    """Start one of each; returns the web server."""
    return [release.start(component) for component in ("beat", "worker-default", "web")][-1]


def shown(release, web):
    """The names of the Applications that the read API tells."""
    headers = {"Authorization": f"Bearer {release.secret('web-token')}"}
    answer = httpx.get(web.url("/api/v1/applications", "http"), headers=headers, timeout=10)
    return {item["metadata"]["name"] for item in answer.raise_for_status().json()["items"]}


def drift_is_healed(release, namespace):
    """The watcher sees what it may see."""
    key = ObjectKey("", "ConfigMap", namespace, "settings")
    release.client.merge_patch(key, {"data": {"colour": "red"}})
    eventually(lambda: release.client.get(key)["data"]["colour"] == "blue", "the heal", context=release.pods.logs)


def test_cluster_admin(install, chart_git):
    release = install(namespaces=("admin-target",))
    web = run(release)
    repo = chart_git.create("admin")
    repo.publish(FILES, "first")
    release.application("admin", repo.http_url, "admin-target")
    release.becomes("admin")
    drift_is_healed(release, "admin-target")
    assert release.pods.probe(web, "readinessProbe")
    assert shown(release, web) == {"admin"}


def may(release, verb, resource, namespace, who="worker"):
    """What the authorizer answers for one of the release's ServiceAccounts."""
    account = f"system:serviceaccount:{release.namespace}:{release.name}-{who}"
    spec = {"verb": verb, "resource": resource, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": account, "resourceAttributes": spec},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return release.cluster.api.request("POST", path, review)["status"]["allowed"]


def test_namespaced(install, chart_git):
    """It reads and writes in the named namespaces, and can neither list the cluster nor write elsewhere."""
    targets = ("named-one", "named-two")
    release = install({"rbac": {"level": "namespaced", "namespaces": list(targets)}}, namespaces=(*targets, "unnamed"))
    web = run(release)
    repo = chart_git.create("namespaced")
    repo.publish(FILES, "first")
    for target in targets:
        release.application(target, repo.http_url, target)
    release.application("elsewhere", repo.http_url, "unnamed")
    for target in targets:
        release.becomes(target)
        drift_is_healed(release, target)

    def told():
        status = release.app("elsewhere").get("status") or {}
        return [c for c in status.get("conditions", []) if "forbidden" in c["message"]]

    eventually(told, "the refusal", context=release.pods.logs)
    assert shown(release, web) == {*targets, "elsewhere"}
    assert not may(release, "list", "configmaps", "")
    assert not may(release, "get", "secrets", "unnamed")
    assert not may(release, "list", "configmaps", "", "beat")
    assert "watch of" not in "".join(release.pods.log(pod) for pod in release.pods.pods), "every watch is permitted"


PROJECT = """
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: team}
spec:
  sourceRepos: ["*"]
  destinations: [{server: "*", namespace: "*"}]
  destinationServiceAccounts:
    - {server: "*", namespace: "deployed-by-*", defaultServiceAccount: deployer}
"""
DEPLOYER = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: deployer, namespace: NAMESPACE}]
"""


@pytest.mark.parametrize("named", [True, False], ids=["one-account", "any-account"])
def test_impersonation_only(install, chart_git, named):
    """Workers write nothing under their own name: only as the account that the project gives to the destination."""
    target = f"deployed-by-{str(named).lower()}"
    values = {"rbac": {"level": "impersonation", "impersonate": [f"{target}/deployer"] if named else []}}
    # The chart writes a Role into the destination, so it is there first.
    release = install(values, namespaces=(target,))
    kubectl = release.cluster.kubectl
    kubectl("apply", "-n", target, "-f", "-", stdin=DEPLOYER.replace("NAMESPACE", target))
    kubectl("apply", "-n", release.namespace, "-f", "-", stdin=PROJECT)
    run(release)
    repo = chart_git.create(f"impersonation-{named}")
    repo.publish(FILES, "first")
    release.application(target, repo.http_url, target, project="team")
    release.becomes(target)
    drift_is_healed(release, target)

    for verb in ("create", "patch", "delete"):
        assert not may(release, verb, "configmaps", target)
    assert not may(release, "impersonate", "users", "")
    written = [
        event
        for event in release.cluster.audit.events()
        if (event.get("objectRef") or {}).get("namespace") == target
        and event["verb"] in ("create", "patch", "delete")
        and release.name in event["user"]["username"]
    ]
    assert written
    deployer = f"system:serviceaccount:{target}:deployer"
    assert {event.get("impersonatedUser", {}).get("username") for event in written} == {deployer}
