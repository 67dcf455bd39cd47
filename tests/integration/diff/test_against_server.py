"""The answers without a request against those of a real API server's dry run."""

from __future__ import annotations

import copy
import random
from importlib.resources import files
from typing import Any

import orjson
import pytest

from gitops.diff import Verdict, compare
from gitops.diff.delta import delta
from gitops.diff.paths import show
from gitops.diff.types import builtin, compact
from gitops.model.names import FIELD_MANAGER
from gitops.model.objects import Object, gvk_of, key_of
from testbed.api import ApiError

PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments/{}",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets/{}",
    "Service": "/api/v1/namespaces/{}/services/{}",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps/{}",
    "Secret": "/api/v1/namespaces/{}/secrets/{}",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses/{}",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/{}",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/{}",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers/{}",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs/{}",
}
LABELS = {"app": "web"}
POD = {
    "containers": [
        {
            "name": "web",
            "image": "nginx:1",
            "args": ["-a", "-b"],
            "env": [
                {"name": "A", "value": "1"},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ],
            "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 53, "protocol": "UDP"}],
            "resources": {"requests": {"cpu": "0.1", "memory": "1024Mi"}, "limits": {"cpu": 1, "memory": "1Gi"}},
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "initialDelaySeconds": 0},
            "volumeMounts": [{"name": "c", "mountPath": "/c", "readOnly": False}, {"name": "e", "mountPath": "/e"}],
            "securityContext": {},
        }
    ],
    "volumes": [
        {"name": "c", "configMap": {"name": "c"}},
        {"name": "e", "emptyDir": {}},
        {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ],
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "hostNetwork": False,
    "nodeSelector": {"disk": "ssd"},
    "imagePullSecrets": [],
    "affinity": {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"labelSelector": {"matchLabels": LABELS}, "topologyKey": "zone"}}
            ]
        }
    },
}


def _objects() -> dict[str, Object]:
    template = {"metadata": {"labels": LABELS, "creationTimestamp": None}, "spec": POD}
    return {
        "Deployment": {
            "apiVersion": "apps/v1",
            "spec": {"selector": {"matchLabels": LABELS}, "strategy": {}, "template": template},
        },
        "StatefulSet": {
            "apiVersion": "apps/v1",
            "spec": {
                "serviceName": "web",
                "selector": {"matchLabels": LABELS},
                "template": template,
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "d"},
                        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}},
                    }
                ],
            },
        },
        "Service": {
            "apiVersion": "v1",
            "spec": {
                "selector": LABELS,
                "ports": [
                    {"port": 80, "targetPort": "http", "name": "a"},
                    {"port": 53, "protocol": "UDP", "name": "b"},
                ],
            },
        },
        "ConfigMap": {"apiVersion": "v1", "data": {"a": "1", "b": "2"}},
        "Secret": {"apiVersion": "v1", "stringData": {"a": "one"}, "data": {"b": "Yg=="}},
        "Ingress": {
            "apiVersion": "networking.k8s.io/v1",
            "spec": {
                "rules": [
                    {
                        "host": "a.b",
                        "http": {
                            "paths": [
                                {
                                    "path": "/",
                                    "pathType": "Prefix",
                                    "backend": {"service": {"name": "web", "port": {"number": 80}}},
                                }
                            ]
                        },
                    }
                ]
            },
        },
        "NetworkPolicy": {
            "apiVersion": "networking.k8s.io/v1",
            "spec": {
                "podSelector": {},
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": [{"port": 80}], "from": [{"podSelector": {"matchLabels": LABELS}}]}],
            },
        },
        "Role": {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
        },
        "HorizontalPodAutoscaler": {
            "apiVersion": "autoscaling/v2",
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"},
                "maxReplicas": 3,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "0.5"}},
                    }
                ],
            },
        },
        "CronJob": {
            "apiVersion": "batch/v1",
            "spec": {
                "schedule": "0 0 1 1 *",
                "suspend": True,
                "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}},
            },
        },
    }


def _target(kind: str, namespace: str, name: str = "web") -> Object:
    body = copy.deepcopy(_objects()[kind])
    return {**body, "kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": {"team": "a"}}}


class Cluster:
    def __init__(self, api: Any) -> None:
        self.api = api

    def apply(self, obj: Object, manager: str = FIELD_MANAGER, *, dry_run: bool = False) -> Object:
        key = key_of(obj)
        path = PATHS[key.kind].format(key.namespace, key.name)
        query = f"?fieldManager={manager}&force=true" + ("&dryRun=All" if dry_run else "")
        made: Object = self.api.request("PATCH", path + query, obj, "application/apply-patch+yaml")
        return made

    def renew(self, obj: Object) -> None:
        """Back to how the object was first applied."""
        key = key_of(obj)
        self.api.request("DELETE", PATHS[key.kind].format(key.namespace, key.name) + "?propagationPolicy=Background")
        self.apply(obj)

    def patch(self, obj: Object, change: Any) -> Object:
        key = key_of(obj)
        path = PATHS[key.kind].format(key.namespace, key.name) + "?fieldManager=somebody"
        made: Object = self.api.request("PATCH", path, change, "application/merge-patch+json")
        return made


@pytest.fixture
def cluster(control_plane) -> Cluster:
    return Cluster(control_plane.api)


def test_the_shipped_types_are_those_of_this_server(control_plane):
    """After a new Kubernetes version, write builtin_types.json anew: `types.dump(types.compact(openapi))`."""
    openapi = control_plane.api.request("GET", "/openapi/v2")
    assert compact(openapi) == orjson.loads((files("gitops.diff") / "builtin_types.json").read_bytes())


@pytest.mark.parametrize("kind", PATHS)
def test_what_was_just_applied_is_the_same_and_nobody_is_asked(cluster, namespace, kind):
    target = _target(kind, namespace)
    live = cluster.apply(target)
    assert compare(target, live).verdict is Verdict.SAME, compare(target, live)
    assert compare(target, live, predicted=cluster.apply(target, dry_run=True)).verdict is Verdict.SAME


@pytest.mark.parametrize("kind", PATHS)
def test_it_is_the_same_whoever_applied_it(cluster, namespace, kind):
    target = _target(kind, namespace)
    for manager in ("argocd-controller", "kubectl"):
        live = cluster.apply(target, manager)
        assert compare(target, live).verdict is Verdict.SAME
        assert compare(target, live, predicted=cluster.apply(target, dry_run=True)).verdict is Verdict.SAME


def _leaves(value: Any, path: tuple = ()) -> list[tuple]:
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))]
    if isinstance(value, list) and value:
        return [path, *(leaf for index, item in enumerate(value) for leaf in _leaves(item, (*path, index)))]
    return [path]


def _mutated(target: Object, rng: random.Random) -> Object | None:
    """The target with one thing changed, dropped, added or reordered, as a commit might."""
    made = copy.deepcopy(target)
    leaf = rng.choice(
        [
            path
            for path in _leaves(made)
            if path[0] not in ("apiVersion", "kind") and path[-1] != "name" and path[:2] != ("metadata", "namespace")
        ]
    )
    holder = made
    for step in leaf[:-1]:
        holder = holder[step]
    value = holder[leaf[-1]]
    how = rng.choice(["drop", "change", "null"])
    if isinstance(value, list):
        how = rng.choice(["reverse", "drop", "shorter"])
    if how == "drop":
        del holder[leaf[-1]]
    elif how == "null":
        holder[leaf[-1]] = None
    elif how == "reverse":
        holder[leaf[-1]] = value[::-1]
    elif how == "shorter":
        holder[leaf[-1]] = value[1:]
    elif isinstance(value, bool):
        holder[leaf[-1]] = not value
    elif isinstance(value, int):
        holder[leaf[-1]] = value + 1
    elif isinstance(value, str):
        holder[leaf[-1]] = rng.choice([value + "x", "", "2Gi", "1000m"])
    else:
        return None
    return made


@pytest.mark.parametrize("kind", PATHS)
def test_never_the_same_where_a_dry_run_would_change_something(cluster, namespace, kind):
    """Random commits: where the server would change the object, the answer without it is never SAME; where it would
    not, never DIFFERENT."""
    target = _target(kind, namespace)
    live = cluster.apply(target)
    rng = random.Random(kind)
    judged = 0
    for _ in range(40):
        wanted = _mutated(target, rng)
        if wanted is None:
            continue
        try:
            predicted = cluster.apply(wanted, dry_run=True)
        except ApiError as refused:
            if refused.status not in (400, 422, 500):
                raise
            continue  # the server's own validation: nothing to compare
        judged += 1
        quick, exact = compare(wanted, live), compare(wanted, live, predicted=predicted)
        assert exact.verdict is not Verdict.ASK
        changed = _bare(live) != _bare(predicted)
        assert (exact.verdict is Verdict.DIFFERENT) == changed, (wanted, exact)
        if quick.verdict is not Verdict.ASK:
            assert quick.verdict is exact.verdict, (wanted, quick, exact)
    assert judged > 5


@pytest.mark.parametrize("kind", PATHS)
def test_never_the_same_where_somebody_changed_what_git_names(cluster, namespace, kind):
    """Random edits of the live object by another manager, each judged against the server's dry run of the target."""
    target = _target(kind, namespace)
    cluster.apply(target)
    rng = random.Random(f"{kind} drift")
    judged = 0
    for _ in range(12):
        edit = _mutated(target, rng)
        if edit is None:
            continue
        try:
            live = cluster.patch(target, _merge_patch(target, edit))
            predicted = cluster.apply(target, dry_run=True)
        except ApiError as refused:
            if refused.status not in (400, 422, 500):
                raise
        else:
            judged += 1
            quick, exact = compare(target, live), compare(target, live, predicted=predicted)
            changed = [show(path) for path in delta(_bare(live), _bare(predicted), builtin().of(gvk_of(live)))]
            assert (exact.verdict is Verdict.DIFFERENT) == bool(changed), (changed, exact)
            if quick.verdict is not Verdict.ASK:
                assert quick.verdict is exact.verdict, (changed, quick, exact)
        cluster.renew(target)
    assert judged > 2


def _merge_patch(before: Any, after: Any) -> Any:
    """The merge patch from one to the other."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    changed = {key: _merge_patch(before.get(key), value) for key, value in after.items() if before.get(key) != value}
    return {**{key: None for key in before if key not in after}, **changed}


def _bare(obj: Object) -> Object:
    """Without what the server and its controllers write by themselves meanwhile."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion", "generation")}
    notes = {
        k: v for k, v in (meta.pop("annotations", None) or {}).items() if not k.startswith("deployment.kubernetes")
    }
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": meta, "notes": notes}


def test_what_somebody_edits_is_seen_and_what_they_add_is_not(cluster, namespace):
    target = _target("Deployment", namespace)
    cluster.apply(target)
    added = cluster.patch(target, {"metadata": {"annotations": {"note": "mine"}}, "spec": {"replicas": 3}})
    assert compare(target, added).verdict is Verdict.SAME
    edited = cluster.patch(target, {"spec": {"template": {"spec": {"nodeSelector": {"disk": "hdd"}}}}})
    diff = compare(target, edited)
    assert (diff.verdict, diff.modified) == (Verdict.DIFFERENT, ("spec.template.spec.nodeSelector.disk",))


def test_what_argo_cd_applied_and_git_dropped_is_seen(cluster, namespace):
    target = _target("ConfigMap", namespace)
    live = cluster.apply({**target, "data": {**target["data"], "old": "1"}}, "argocd-controller")
    assert compare(target, live).modified == ("data.old",)
    assert compare(target, live, predicted=cluster.apply(target, dry_run=True)).modified == ("data.old",)
