"""Kubernetes' own kinds, by specs section 6."""

from __future__ import annotations

import pytest

from gitops.health import assess


def deployment(spec=None, status=None, generation=2, version="apps/v1"):
    return {
        "apiVersion": version,
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": generation},
        "spec": {"replicas": 3, **(spec or {})},
        "status": {
            "observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, **(status or {}),
        },
    }  # fmt: skip


DEADLINE = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}


@pytest.mark.parametrize(
    ("obj", "word"),
    [
        (deployment(), "Healthy"),
        (deployment({"paused": True}), "Suspended"),
        (deployment(generation=3), "Progressing"),
        (deployment(status=DEADLINE), "Degraded"),
        (deployment(status={"updatedReplicas": 2}), "Progressing"),
        (deployment(status={"replicas": 4}), "Progressing"),
        (deployment(status={"availableReplicas": 2}), "Progressing"),
        (deployment(version="apps/v1beta1"), "Unknown"),
    ],
)
def test_deployment(obj, word):
    assert assess(obj).status == word


def stateful_set(strategy, **status):
    seen = {"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 3, **status}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"generation": 1},
        "spec": {"replicas": 3, "updateStrategy": strategy},
        "status": seen,
    }


ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}


@pytest.mark.parametrize(
    ("obj", "word"),
    [
        (stateful_set(ROLLING), "Healthy"),
        (stateful_set(ROLLING, updatedReplicas=1), "Progressing"),
        (stateful_set(ROLLING, updatedReplicas=2), "Healthy"),
        (stateful_set(ROLLING, observedGeneration=0), "Progressing"),
        (stateful_set(ROLLING, readyReplicas=2), "Progressing"),
        (stateful_set({"type": "OnDelete"}, updateRevision="b", currentRevision="a"), "Healthy"),
        (stateful_set({"type": "RollingUpdate"}, updateRevision="b", currentRevision="a"), "Progressing"),
    ],
)
def test_stateful_set(obj, word):
    assert assess(obj).status == word


def job(*conditions):
    items = [{"type": kind, "status": status} for kind, status in conditions]
    return {"apiVersion": "batch/v1", "kind": "Job", "status": {"conditions": items}}


@pytest.mark.parametrize(
    ("obj", "word"),
    [
        (job(), "Progressing"),
        (job(("Complete", "True")), "Healthy"),
        (job(("Failed", "False")), "Degraded"),
        (job(("Suspended", "True")), "Suspended"),
        (job(("Suspended", "False")), "Progressing"),
    ],
)
def test_job_counts_the_presence_of_failed_and_complete(obj, word):
    assert assess(obj).status == word


def cron_job(suspend=False, **status):
    return {"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"suspend": suspend}, "status": status}


EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("obj", "word"),
    [
        (cron_job(), "Healthy"),
        (cron_job(suspend=True), "Healthy"),
        (cron_job(lastScheduleTime=LATE, lastSuccessfulTime=EARLY), "Degraded"),
        (cron_job(lastScheduleTime=LATE, lastSuccessfulTime=EARLY, active=[{}]), "Healthy"),
        (cron_job(lastScheduleTime=EARLY, lastSuccessfulTime=LATE), "Healthy"),
        ({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {}}, "Progressing"),
    ],
)
def test_cron_job(obj, word):
    assert assess(obj).status == word


def pod(phase, policy="Always", ready=None, waiting=None, **status):
    state = {"state": {"waiting": {"reason": waiting, "message": "told"}}} if waiting else {}
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"restartPolicy": policy},
        "status": {"phase": phase, "conditions": conditions, "containerStatuses": [state], **status},
    }


@pytest.mark.parametrize(
    ("obj", "word"),
    [
        (pod("Pending"), "Progressing"),
        (pod("Pending", waiting="ErrImagePull"), "Degraded"),
        (pod("Running", waiting="CrashLoopBackOff"), "Degraded"),
        (pod("Running", "Never", waiting="CrashLoopBackOff"), "Progressing"),
        (pod("Running", ready="True"), "Healthy"),
        (pod("Running", ready="False"), "Progressing"),
        (pod("Running", containerStatuses=[{"lastState": {"terminated": {"exitCode": 1}}}]), "Degraded"),
        (pod("Succeeded"), "Healthy"),
        (pod("Failed"), "Degraded"),
        (pod("Odd"), "Unknown"),
    ],
)
def test_pod(obj, word):
    assert assess(obj).status == word


def test_failed_pod_tells_which_container():
    obj = pod("Failed", containerStatuses=[{"name": "app", "state": {"terminated": {"exitCode": 3}}}])
    assert assess(obj).message == 'container "app" failed with exit code 3'


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "ServiceAccount", "Namespace"])
def test_kinds_without_a_health_have_none(kind):
    assert assess({"apiVersion": "v1", "kind": kind, "metadata": {"generation": 1}}) is None


def test_what_is_being_deleted_is_progressing():
    found = assess({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"deletionTimestamp": LATE}})
    assert (found.status, found.message) == ("Progressing", "Pending deletion")


def test_a_hook_that_waits_for_its_finalizer_is_not_pending_deletion():
    meta = {"deletionTimestamp": LATE, "finalizers": ["argocd.argoproj.io/hook-finalizer"]}
    assert assess({**job(("Complete", "True")), "metadata": meta}).status == "Healthy"
