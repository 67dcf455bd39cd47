"""A fleet moves over from Argo CD: its objects as Argo CD leaves them, and not one is reported OutOfSync."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import Manifest, ObjectKey
from testbed.audit import AuditLog
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitserver import GitServer
from testbed.redis import RedisServer
from testbed.world import World, eventually

FLEET = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {team: a}}
data: {colour: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
        ports: [{name: http, containerPort: 8080}]
        resources: {requests: {cpu: "0.5", memory: 1024Mi}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: OnFailure, containers: [{name: job, image: "registry.example/job:1"}]}
"""
#: How Argo CD applies: client-side with kubectl's annotation, or server-side.
WAYS = {"client": [], "server": ["--server-side"]}


@pytest.fixture(scope="module")
def old_cluster() -> Iterator[ControlPlane]:
    """A cluster of its own: each method is a setting of the whole installation."""
    with ControlPlane() as cluster:
        client = ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig))
        install(client, "argocd", custom_resources())
        yield cluster


def as_argo_cd_leaves_it(cluster: ControlPlane, app: str, method: str, way: list[str]) -> None:
    """Create the fleet's objects in namespace `app` with Argo CD's marks and its field manager."""
    cluster.create_namespace(app)
    objects: list[dict[str, Any]] = []
    for obj in yaml.safe_load_all(FLEET):
        meta = obj["metadata"]
        meta["namespace"] = app
        group = obj["apiVersion"].rpartition("/")[0]
        if method != "label":
            tracking = f"{app}:{group}/{obj['kind']}:{app}/{meta['name']}"
            meta["annotations"] = {"argocd.argoproj.io/tracking-id": tracking}
        if method != "annotation":
            meta["labels"] = {**meta.get("labels", {}), "app.kubernetes.io/instance": app}
        objects.append(obj)
    text = yaml.safe_dump_all(objects)
    cluster.kubectl("apply", "--field-manager=argocd-controller", *way, "-f", "-", stdin=text)


@pytest.mark.parametrize("method", ["annotation", "label", "annotation+label"])
def test_nothing_is_out_of_sync_because_of_the_move(
    old_cluster: ControlPlane, git_server: GitServer, method: str
) -> None:
    client = ClusterClient(Connection.from_kubeconfig(old_cluster.kubeconfig))
    settings = {"application.resourceTrackingMethod": method}
    argocd_cm = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}
    client.apply(Manifest.of({**argocd_cm, "data": settings}))
    names = {way: f"{method.replace('+', '-and-')}-{way}" for way in WAYS}
    for way, name in names.items():
        as_argo_cd_leaves_it(old_cluster, name, method, WAYS[way])

    env = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http"}
    with RedisServer() as redis, Engine(old_cluster.kubeconfig, redis.url, workers=1, env=env) as engine:
        world = World(client, engine, git_server, old_cluster, redis)
        repo = world.repo({"app/fleet.yaml": FLEET})
        mark = AuditLog(old_cluster.audit_log).mark()
        for name in names.values():
            # First without a policy: what is found is reported, and nothing is written.
            world.application(name, repo.http_url, syncPolicy={})
        for name in names.values():
            app = world.becomes(name)
            assert {r["status"] for r in app["status"]["resources"]} == {"Synced"}
            assert len(app["status"]["resources"]) == 7
            assert not app["status"].get("conditions")
        written = [
            event["requestURI"]
            for event in AuditLog(old_cluster.audit_log).events(mark)
            if event["verb"] in {"patch", "update", "create", "delete"}
            and (event.get("objectRef") or {}).get("namespace") in names.values()
            and event["userAgent"].startswith("gitops")
            and "dryRun" not in event["requestURI"]
        ]
        assert written == []

        # Then the fleet is synced: the fields become ours, each once, and a field that leaves Git goes.
        repo.write({"app/fleet.yaml": FLEET.replace("labels: {team: a}", "labels: {}")})
        repo.commit("second")
        repo.push()
        for name in names.values():
            engine.gitops("app", "get", name, "--refresh")
            world.becomes(name, sync="OutOfSync")
            engine.gitops("app", "sync", name)
            world.becomes(name)
            live = client.get(ObjectKey("", "ConfigMap", name, "settings")) or {}
            assert "team" not in (live["metadata"].get("labels") or {})
            managers = [entry["manager"] for entry in live["metadata"]["managedFields"]]
            assert managers == ["gitops-engine"]
            eventually(lambda n=name: world.status(n) == ("Synced", "Healthy"), f"{name} stays Synced")
