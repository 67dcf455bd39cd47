"""What tests of ApplicationSets and projects arrange and look at."""

from __future__ import annotations

from typing import Any

from gitops.cli.web import Backend
from gitops.model.objects import GVK, Manifest, Object, ObjectKey
from gitops.settings import Settings
from gitops.state import State
from testbed.world import World, eventually

IN_CLUSTER = "https://kubernetes.default.svc"


def application_key(name: str) -> ObjectKey:
    return ObjectKey("argoproj.io", "Application", "argocd", name)


def set_key(name: str) -> ObjectKey:
    return ObjectKey("argoproj.io", "ApplicationSet", "argocd", name)


def application_set(
    world: World,
    name: str,
    generators: list[Object],
    repo_url: str,
    path: str = "app",
    project: str = "default",
    **spec: Any,
) -> None:
    """An ApplicationSet whose Applications are `{{name}}`, each into a namespace of that name."""
    template = {
        "metadata": {"name": "{{name}}"},
        "spec": {
            "project": project,
            "source": {"repoURL": repo_url, "path": path, "targetRevision": "HEAD"},
            "destination": {"server": IN_CLUSTER, "namespace": "{{name}}"},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["CreateNamespace=true"],
            },
        },
    }
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"generators": generators, "template": template, **spec},
    }
    world.client.apply(Manifest.of(body))


def listed(*names: str) -> list[Object]:
    return [{"list": {"elements": [{"name": name} for name in names]}}]


def owned(world: World, name: str) -> set[str]:
    """The Applications that an ApplicationSet owns."""
    uid = (world.client.get(set_key(name)) or {})["metadata"]["uid"]
    found = world.client.list(GVK("argoproj.io", "v1alpha1", "Application"), namespace="argocd")
    return {
        app["metadata"]["name"]
        for app in found
        if any(entry["uid"] == uid for entry in app["metadata"].get("ownerReferences") or ())
    }


def condition(world: World, name: str, kind: str) -> tuple[str, str]:
    """(status, message) of an ApplicationSet's condition."""
    status = (world.client.get(set_key(name)) or {}).get("status") or {}
    return next(((c["status"], c["message"]) for c in status.get("conditions") or () if c["type"] == kind), ("", ""))


def becomes_owner(world: World, name: str, *apps: str) -> None:
    eventually(lambda: owned(world, name) == set(apps), f"{name} owns {apps}", context=world.logs)


def web_backend(world: World) -> Backend:
    """What `gitops web` works with, over this engine's Redis."""
    env = world.engine.env
    state = State(Settings(redis_url=env["GITOPS_REDIS_URL"], seal_key=env["GITOPS_SEAL_KEY"]))
    return Backend(state, world.client, "argocd")


def project_of(name: str, repositories: list[str]) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"sourceRepos": repositories, "destinations": [{"server": "*", "namespace": "*"}]},
    }
