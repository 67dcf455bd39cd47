"""A rolling update of the workers, as Kubernetes does it with the chart's settings, loses no operation."""

from __future__ import annotations

import pytest

from gitops.model.objects import GVK, ObjectKey
from testbed.world import eventually

pytestmark = pytest.mark.cluster

COUNT = 10
#: Runs once in an operation: a second Job of this kind would be an operation that came twice.
HOOK = """
apiVersion: batch/v1
kind: Job
metadata:
  generateName: APP-migrate-
  annotations: {argocd.argoproj.io/hook: Sync}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: registry.example/migrate:1}]}
"""
WAVE = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: APP-wave-NUMBER
  annotations: {argocd.argoproj.io/sync-wave: "NUMBER"}
data: {number: "NUMBER"}
"""
FILES = {"app/hook.yaml": HOOK} | {f"app/wave-{n}.yaml": WAVE.replace("NUMBER", str(n)) for n in range(3)}


def test_every_operation_succeeds_once(install, chart_git):
    target = "rolled"
    pools = {"default": {"concurrency": 2}}
    settings = {"WAVE_DELAY": 1}
    release = install({"workers": {"pools": pools}, "settings": settings}, namespaces=(target,))
    release.start("beat")
    old = [release.start("worker-default") for _ in range(2)]
    repo = chart_git.create("rolled")
    repo.publish({f"{n}/{p}": text.replace("APP", f"app-{n}") for n in range(COUNT) for p, text in FILES.items()}, "x")
    names = [f"rolled-{n}" for n in range(COUNT)]
    for n, name in enumerate(names):
        release.application(
            name, "", target, source={"repoURL": repo.http_url, "path": f"{n}/app", "targetRevision": "HEAD"}
        )

    def states():
        return [(release.app(name).get("status") or {}).get("operationState") or {} for name in names]

    def under_way():
        return sum(state.get("phase") == "Running" for state in states()) >= COUNT // 2

    eventually(under_way, "operations under way", context=release.pods.logs)
    # maxSurge 1, maxUnavailable 0: a new one is up before an old one is told to go.
    for pod in old:
        release.start("worker-default")
        assert release.pods.terminate(pod) == 0, release.pods.log(pod)

    eventually(
        lambda: all(state.get("phase") == "Succeeded" for state in states()),
        "the end of every operation",
        context=lambda: f"{states()}\n{release.pods.logs()}",
    )
    jobs = list(release.client.list(GVK("batch", "v1", "Job"), namespace=target))
    assert len(jobs) == COUNT
    completed = [
        event
        for event in release.client.list(GVK("", "v1", "Event"), namespace=release.namespace)
        if event["reason"] == "OperationCompleted"
    ]
    assert sorted((event["involvedObject"]["name"], event["count"]) for event in completed) == sorted(
        (name, 1) for name in names
    )
    for n, name in enumerate(names):
        assert len(release.app(name)["status"]["history"]) == 1
        for wave in range(3):
            assert release.client.get(ObjectKey("", "ConfigMap", target, f"app-{n}-wave-{wave}"))
    for pod in old:
        assert "Traceback" not in release.pods.log(pod)
