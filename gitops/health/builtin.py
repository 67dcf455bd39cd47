"""The kinds that Kubernetes itself has, exactly by specs section 6 (source: each kind's own API reference).

A rule takes the object and returns its Health. An apiVersion that is no longer served, where section 6 says so, is an
error and gives Unknown.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from gitops.health.pods import pod
from gitops.health.reading import condition, conditions, integer, metadata, section
from gitops.model.health import DEGRADED, HEALTHY, PROGRESSING, SUSPENDED, UNKNOWN, Health
from gitops.model.objects import Object

Rule = Callable[[Object], Health]


def _is_behind(obj: Object) -> bool:
    return integer(metadata(obj).get("generation")) > integer(section(obj, "status").get("observedGeneration"))


def _waiting(message: str) -> Health:
    return Health(PROGRESSING, message)


def deployment(obj: Object) -> Health:  # noqa: PLR0911 - the rule's own order
    """apps/v1 Deployment."""
    if obj.get("apiVersion") != "apps/v1":
        return Health(UNKNOWN, f"Deployments of {obj.get('apiVersion')} are not supported; use apps/v1")
    spec, status = section(obj, "spec"), section(obj, "status")
    if spec.get("paused") is True:
        return Health(SUSPENDED, "Deployment is paused")
    if _is_behind(obj):
        return _waiting("Waiting for rollout to finish: observed deployment generation less than desired generation")
    progressing = condition(obj, "Progressing")
    if progressing and progressing.get("reason") == "ProgressDeadlineExceeded":
        return Health(DEGRADED, f"Deployment {metadata(obj).get('name', '')} exceeded its progress deadline")
    updated, replicas = integer(status.get("updatedReplicas")), integer(status.get("replicas"))
    available = integer(status.get("availableReplicas"))
    if spec.get("replicas") is not None and updated < (wanted := integer(spec.get("replicas"))):
        return _waiting(f"Waiting for rollout to finish: {updated} out of {wanted} new replicas have been updated...")
    if replicas > updated:
        return _waiting(f"Waiting for rollout to finish: {replicas - updated} old replicas are pending termination...")
    if available < updated:
        return _waiting(f"Waiting for rollout to finish: {available} of {updated} updated replicas are available...")
    return Health(HEALTHY)


def stateful_set(obj: Object) -> Health:  # noqa: PLR0911 - the rule's own order
    """apps/v1 StatefulSet."""
    if obj.get("apiVersion") != "apps/v1":
        return Health(UNKNOWN, f"StatefulSets of {obj.get('apiVersion')} are not supported; use apps/v1")
    spec, status = section(obj, "spec"), section(obj, "status")
    observed = integer(status.get("observedGeneration"))
    if observed == 0 or _is_behind(obj):
        return _waiting("Waiting for statefulset spec update to be observed...")
    ready, updated = integer(status.get("readyReplicas")), integer(status.get("updatedReplicas"))
    wanted = spec.get("replicas")
    if wanted is not None and ready < integer(wanted):
        return _waiting(f"Waiting for {integer(wanted) - ready} pods to be ready...")
    strategy = section(spec, "updateStrategy")
    if strategy.get("type") == "RollingUpdate" and isinstance(rolling := strategy.get("rollingUpdate"), dict):
        partition = rolling.get("partition")
        if wanted is not None and partition is not None and updated < (due := integer(wanted) - integer(partition)):
            return _waiting(f"Waiting for partitioned roll out to finish: {updated} out of {due} new pods updated...")
        return Health(HEALTHY, f"partitioned roll out complete: {updated} new pods have been updated...")
    if strategy.get("type") == "OnDelete":
        return Health(HEALTHY, f"statefulset has {ready} ready pods")
    if status.get("updateRevision") != status.get("currentRevision"):
        return _waiting(f"Waiting for statefulset rolling update to complete {updated} pods at the new revision...")
    return Health(HEALTHY, f"statefulset rolling update complete {integer(status.get('currentReplicas'))} pods")


def daemon_set(obj: Object) -> Health:
    """apps/v1 DaemonSet."""
    if obj.get("apiVersion") != "apps/v1":
        return Health(UNKNOWN, f"DaemonSets of {obj.get('apiVersion')} are not supported; use apps/v1")
    status = section(obj, "status")
    if _is_behind(obj):
        return _waiting("Waiting for rollout to finish: observed daemon set generation less than desired generation")
    updated, wanted = integer(status.get("updatedNumberScheduled")), integer(status.get("desiredNumberScheduled"))
    if section(section(obj, "spec"), "updateStrategy").get("type") == "OnDelete":
        return Health(HEALTHY, f"daemon set {updated} out of {wanted} new pods have been updated")
    if updated < wanted:
        return _waiting(f"Waiting for daemon set rollout to finish: {updated} out of {wanted} new pods updated...")
    available = integer(status.get("numberAvailable"))
    if available < wanted:
        return _waiting(f"Waiting for daemon set rollout to finish: {available} of {wanted} updated pods available...")
    return Health(HEALTHY)


def replica_set(obj: Object) -> Health:
    """apps/v1 ReplicaSet."""
    if obj.get("apiVersion") != "apps/v1":
        return Health(UNKNOWN, f"ReplicaSets of {obj.get('apiVersion')} are not supported; use apps/v1")
    if _is_behind(obj):
        return _waiting("Waiting for rollout to finish: observed replica set generation less than desired generation")
    failure = condition(obj, "ReplicaFailure")
    if failure and failure.get("status") == "True":
        return Health(DEGRADED, str(failure.get("message") or ""))
    wanted, available = section(obj, "spec").get("replicas"), integer(section(obj, "status").get("availableReplicas"))
    if wanted is not None and available < integer(wanted):
        return _waiting(
            f"Waiting for rollout to finish: {available} out of {integer(wanted)} replicas are available..."
        )
    return Health(HEALTHY)


def job(obj: Object) -> Health:
    """batch/v1 Job: the presence of Failed or Complete counts, Suspended needs to be True."""
    if obj.get("apiVersion") != "batch/v1":
        return Health(UNKNOWN, f"Jobs of {obj.get('apiVersion')} are not supported; use batch/v1")
    failed = complete = suspended = False
    message = ""
    for item in conditions(obj):
        match item.get("type"):
            case "Failed":
                failed, message = True, str(item.get("message") or "")
            case "Complete":
                complete, message = True, str(item.get("message") or "")
            case "Suspended" if item.get("status") == "True":
                complete, suspended, message = True, True, str(item.get("message") or "")
    if not failed and not complete:
        return _waiting(message)
    if failed:
        return Health(DEGRADED, message)
    return Health(SUSPENDED if suspended else HEALTHY, message)


def service(obj: Object) -> Health:
    """v1 Service: only a LoadBalancer has to wait for something."""
    if section(obj, "spec").get("type") == "LoadBalancer" and not _addresses(obj):
        return _waiting("Waiting for the load balancer's address")
    return Health(HEALTHY)


def ingress(obj: Object) -> Health:
    """networking.k8s.io and extensions Ingress."""
    return Health(HEALTHY) if _addresses(obj) else _waiting("Waiting for the load balancer's address")


def _addresses(obj: Object) -> bool:
    return bool(section(section(obj, "status"), "loadBalancer").get("ingress"))


_CLAIM_PHASES = {"Lost": DEGRADED, "Pending": PROGRESSING, "Bound": HEALTHY}


def persistent_volume_claim(obj: Object) -> Health:
    """v1 PersistentVolumeClaim."""
    phase = str(section(obj, "status").get("phase") or "")
    return Health(_CLAIM_PHASES.get(phase, UNKNOWN), f"phase is {phase or 'not set'}")


def api_service(obj: Object) -> Health:
    """apiregistration.k8s.io APIService."""
    available = condition(obj, "Available")
    if available is None:
        return _waiting("Waiting to be processed")
    message = f"{available.get('reason') or ''}: {available.get('message') or ''}"
    return Health(HEALTHY if available.get("status") == "True" else PROGRESSING, message)


#: Reasons with which the autoscaler cannot do its work (Kubernetes: HorizontalPodAutoscaler status conditions).
_AUTOSCALER_FAILURES = {
    "AbleToScale": {"FailedGetScale", "FailedUpdateScale"},
    "ScalingActive": {
        "FailedGetResourceMetric",
        "FailedGetObjectMetric",
        "FailedGetPodsMetric",
        "FailedGetExternalMetric",
        "FailedComputeMetricsReplicas",
        "InvalidSelector",
    },
}
_V1_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"


def horizontal_pod_autoscaler(obj: Object) -> Health:
    """autoscaling HorizontalPodAutoscaler: v2, and v1 with its conditions in an annotation."""
    version = obj.get("apiVersion")
    if version == "autoscaling/v1":
        text = (metadata(obj).get("annotations") or {}).get(_V1_CONDITIONS)
        try:
            items = orjson.loads(text) if text else []
        except (orjson.JSONDecodeError, TypeError):
            return Health(UNKNOWN, f"The annotation {_V1_CONDITIONS} holds no JSON")
    elif version == "autoscaling/v2":
        items = conditions(obj)
    else:
        return Health(UNKNOWN, f"HorizontalPodAutoscalers of {version} are not supported; use autoscaling/v2")
    items = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    for item in items:
        if item.get("reason") in _AUTOSCALER_FAILURES.get(str(item.get("type")), ()):
            return Health(DEGRADED, str(item.get("message") or ""))
    for item in items:
        if item.get("type") in ("AbleToScale", "ScalingLimited") and item.get("status") == "True":
            return Health(HEALTHY, str(item.get("message") or ""))
    return _waiting("Waiting to Autoscale")


_WORKFLOW_PHASES = {
    "": PROGRESSING,
    "Pending": PROGRESSING,
    "Running": PROGRESSING,
    "Succeeded": HEALTHY,
    "Failed": DEGRADED,
    "Error": DEGRADED,
}


def workflow(obj: Object) -> Health:
    """argoproj.io Workflow, the one third-party kind that section 6 counts among the built-in ones."""
    status = section(obj, "status")
    return Health(_WORKFLOW_PHASES.get(str(status.get("phase") or ""), UNKNOWN), str(status.get("message") or ""))


def cron_job(obj: Object) -> Health:
    """batch CronJob: was the last run that was due a success? (times are compared as RFC 3339 texts, as they sort)."""
    status = section(obj, "status")
    if section(obj, "spec").get("suspend") is True:
        return Health(HEALTHY, "CronJob is Suspended")
    if not isinstance(obj.get("status"), dict):
        return _waiting("Waiting for the CronJob's first schedule")
    scheduled, succeeded = status.get("lastScheduleTime"), status.get("lastSuccessfulTime")
    if not scheduled or not succeeded or status.get("active"):
        return Health(HEALTHY)
    if str(succeeded) < str(scheduled):
        return Health(DEGRADED, "CronJob has not completed its last execution successfully")
    return Health(HEALTHY)


def pod_disruption_budget(obj: Object) -> Health:
    """policy PodDisruptionBudget: too few pods is its work, any other refusal is a failure."""
    items = conditions(obj)
    if not items:
        return _waiting("Waiting for status")
    for item in items:
        if item.get("status") == "False" and item.get("reason") != "InsufficientPods":
            return Health(DEGRADED, f"PodDisruptionBudget has {item.get('reason')}")
    return Health(HEALTHY, "PodDisruptionBudget has SufficientPods")


#: Section 6 has these as scripts, so `generic_only` leaves them out.
SCRIPTED: dict[tuple[str, str], Rule] = {
    ("batch", "CronJob"): cron_job,
    ("policy", "PodDisruptionBudget"): pod_disruption_budget,
}

#: (group, kind) -> rule.
BUILTIN: dict[tuple[str, str], Rule] = {
    ("", "Pod"): pod,
    ("", "Service"): service,
    ("", "PersistentVolumeClaim"): persistent_volume_claim,
    ("apps", "Deployment"): deployment,
    ("apps", "StatefulSet"): stateful_set,
    ("apps", "DaemonSet"): daemon_set,
    ("apps", "ReplicaSet"): replica_set,
    ("extensions", "Deployment"): deployment,
    ("extensions", "DaemonSet"): daemon_set,
    ("extensions", "ReplicaSet"): replica_set,
    ("extensions", "Ingress"): ingress,
    ("networking.k8s.io", "Ingress"): ingress,
    ("batch", "Job"): job,
    ("autoscaling", "HorizontalPodAutoscaler"): horizontal_pod_autoscaler,
    ("apiregistration.k8s.io", "APIService"): api_service,
    ("argoproj.io", "Workflow"): workflow,
}
