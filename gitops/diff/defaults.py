"""Values that the API server fills in by itself, so that their presence in live, or their removal in Git, says nothing.

A field name stands for every place that it occurs in, so only names are here that have one default everywhere; what is
not in this table is asked of the API server.
"""

from __future__ import annotations

from typing import Any

_BY_FIELD: dict[str, tuple[Any, ...]] = {
    "apiVersion": ("v1",),
    "kind": ("PersistentVolumeClaim",),
    "protocol": ("TCP",),
    "volumeMode": ("Filesystem",),
    "scope": ("*",),
    "scheme": ("HTTP",),
    "divisor": ("0",),
    "defaultMode": (420,),
    "expirationSeconds": (3600,),
    "status": ({"phase": "Pending"},),
    "replicas": (1,),
    "revisionHistoryLimit": (10,),
    "progressDeadlineSeconds": (600,),
    "podManagementPolicy": ("OrderedReady",),
    "terminationMessagePath": ("/dev/termination-log",),
    "terminationMessagePolicy": ("File",),
    "dnsPolicy": ("ClusterFirst",),
    "schedulerName": ("default-scheduler",),
    "failureThreshold": (3,),
    "successThreshold": (1,),
    "periodSeconds": (10,),
    "sessionAffinity": ("None",),
    "internalTrafficPolicy": ("Cluster",),
    "ipFamilyPolicy": ("SingleStack",),
    "type": ("ClusterIP", "Opaque", "RollingUpdate"),
    "partition": (0,),
    "concurrencyPolicy": ("Allow",),
    "failedJobsHistoryLimit": (1,),
    "successfulJobsHistoryLimit": (3,),
    "backoffLimit": (6,),
    "completionMode": ("NonIndexed",),
    "completions": (1,),
    "parallelism": (1,),
    "reinvocationPolicy": ("Never",),
    "reclaimPolicy": ("Delete",),
    "volumeBindingMode": ("Immediate",),
    "conversion": ({"strategy": "None"},),
}

#: Booleans, numbers and strings that the server leaves out where they are zero.
_DROPPED_ZEROS = frozenset(
    {
        "generateName",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "initialDelaySeconds",
        "minReadySeconds",
        "paused",
        "publishNotReadyAddresses",
        "readOnly",
        "stdin",
        "stdinOnce",
        "subPath",
        "tty",
        "unschedulable",
    }
)


def is_default(name: str, value: Any) -> bool:
    """Whether `value` is what the server itself would put into field `name`, or nothing at all."""
    if value is None or value in ({}, []):
        return True
    if isinstance(value, dict) and all(is_default(key, inner) for key, inner in value.items()):
        return True
    return refills(name, value)


def refills(name: str, value: Any) -> bool:
    """Whether the server would put `value` into field `name` again if it were taken out."""
    return any(type(value) is type(default) and value == default for default in _BY_FIELD.get(name, ()))


def drops_zero(name: str) -> bool:
    """Whether the server leaves field `name` out when its value is the type's zero."""
    return name in _DROPPED_ZEROS
