"""The fleet: applications of five objects each, as plain YAML directories of one monorepo, in 25 namespaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import yaml

Object = dict[str, Any]

NAMESPACES = 25
REPOSITORY = "bench/monorepo"
#: On every object, so that one watch sees the fleet and nothing else.
LABEL = "bench.gitops/fleet"
#: A label whose value a commit to all applications changes: every object changes, and no Pod is replaced.
RELEASE = "bench.gitops/release"

PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts/{}",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps/{}",
    "Service": "/api/v1/namespaces/{}/services/{}",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments/{}",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/{}",
}
#: An application of one ConfigMap, for fleets so large that five objects each would measure the control plane.
SMALL = ("ConfigMap",)


@dataclass(frozen=True)
class Fleet:
    """`size` applications; `kinds` says which objects each one has."""

    size: int
    kinds: tuple[str, ...] = tuple(PATHS)

    @property
    def names(self) -> list[str]:
        """Application names, which are their objects' names too."""
        return [f"app-{number:05d}" for number in range(self.size)]

    @property
    def object_count(self) -> int:
        return self.size * len(self.kinds)

    @property
    def namespaces(self) -> list[str]:
        return [f"bench-{number:02d}" for number in range(min(NAMESPACES, self.size))]

    def namespace(self, name: str) -> str:
        """The namespace of an application."""
        return f"bench-{int(name.removeprefix('app-')) % NAMESPACES:02d}"

    def objects(self, name: str, release: str = "one", colour: str = "blue") -> list[Object]:
        """An application's objects as they are in Git, which is without a namespace."""
        return [obj for obj in objects(name, release, colour) if obj["kind"] in self.kinds]

    def files(self, name: str, release: str = "one", colour: str = "blue") -> dict[str, str]:
        """An application's directory: path -> YAML."""
        return {
            f"apps/{name}/{obj['kind'].lower()}.yaml": yaml.dump(obj, Dumper=yaml.CSafeDumper, sort_keys=False)
            for obj in self.objects(name, release, colour)
        }

    def monorepo(self, release: str = "one") -> dict[str, str]:
        """Every application's directory."""
        return {path: text for name in self.names for path, text in self.files(name, release).items()}

    def requests(self, release: str = "one") -> list[tuple[str, bytes]]:
        """(path, JSON body) of every object, for the bare client."""
        found = []
        for name in self.names:
            namespace = self.namespace(name)
            for obj in self.objects(name, release):
                body = {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}
                found.append((PATHS[obj["kind"]].format(namespace, name), orjson.dumps(body)))
        return found

    def namespace_requests(self) -> list[tuple[str, bytes]]:
        """(path, JSON body) of every namespace."""
        return [
            (
                f"/api/v1/namespaces/{name}",
                orjson.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
            )
            for name in self.namespaces
        ]

    def applications(self, repo_url: str, control: str) -> list[tuple[str, bytes]]:
        """(path, JSON body) of every Application in the control namespace."""
        return [
            (
                f"/apis/argoproj.io/v1alpha1/namespaces/{control}/applications/{name}",
                orjson.dumps(application(name, self.namespace(name), repo_url, control)),
            )
            for name in self.names
        ]


def application(name: str, namespace: str, repo_url: str, control: str) -> Object:
    """An automated Application of one directory."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": control},
        "spec": {
            "project": "default",
            "source": {"repoURL": repo_url, "path": f"apps/{name}", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["CreateNamespace=true"],
            },
        },
    }


def objects(name: str, release: str, colour: str) -> list[Object]:
    """The five objects of an application."""
    selector = {"app.kubernetes.io/name": name}
    meta = {"name": name, "labels": {**selector, LABEL: "yes", RELEASE: release}}
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "envFrom": [{"configMapRef": {"name": name}}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta, "automountServiceAccountToken": False},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta,
            "data": {"COLOUR": colour, **{f"SETTING_{number}": f"value of {name}" for number in range(20)}},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": selector},
                "template": {
                    "metadata": {"labels": selector},
                    "spec": {"serviceAccountName": name, "containers": [container]},
                },
            },
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": meta,
            "spec": {
                "podSelector": {"matchLabels": selector},
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": [{"port": "http", "protocol": "TCP"}]}],
            },
        },
    ]
