"""Orphaned resources: told of where the project asks, and where it does not nobody looks."""

from __future__ import annotations

import pytest

from gitops.model.objects import Manifest, ObjectKey
from testbed.audit import AuditLog
from testbed.world import World, eventually


def lay(world: World, namespace: str, kind: str, name: str) -> None:
    world.client.apply(
        Manifest.of({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}})
    )


def project(world: World, name: str, **spec: object) -> None:
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
            **spec,
        },
    }
    world.client.apply(Manifest.of(body))


def test_what_belongs_to_nobody_is_a_warning_until_it_is_gone(world: World, small: dict[str, str]) -> None:
    ignored = [{"kind": "ConfigMap", "name": "ignored-*"}]
    project(world, "tidy", orphanedResources={"warn": True, "ignore": ignored})
    world.application("tidy", world.repo(small).http_url, project="tidy")
    world.becomes("tidy")
    for name in ("lost", "ignored-1"):
        lay(world, "tidy", "ConfigMap", name)
    lay(world, "tidy", "ServiceAccount", "stray")

    text = world.condition("tidy", "OrphanedResourceWarning")
    eventually(
        lambda: (
            world.condition("tidy", "OrphanedResourceWarning")
            == "Application has 2 orphaned resources: ConfigMap/lost, ServiceAccount/stray"
        ),
        f"both orphans, not {text}",
    )
    # Nothing is done about them, and they say nothing of the application itself.
    assert world.status("tidy") == ("Synced", "Healthy")
    assert world.live("ConfigMap", "tidy", "lost")

    world.client.delete(ObjectKey("", "ConfigMap", "tidy", "lost"))
    world.client.delete(ObjectKey("", "ServiceAccount", "tidy", "stray"))
    eventually(
        lambda: not [c for c in world.app("tidy")["status"]["conditions"] if c["type"] == "OrphanedResourceWarning"],
        "the end of the warning",
        context=world.logs,
    )


@pytest.mark.parametrize("wish", [None, {"warn": False}])
def test_where_no_warning_is_wanted_there_is_none(world: World, small: dict[str, str], wish: dict | None) -> None:
    name = "untidy" if wish is None else "unwarned"
    project(world, name, **({"orphanedResources": wish} if wish else {}))
    mark = AuditLog(world.cluster.audit_log).mark()
    world.application(name, world.repo(small).http_url, project=name)
    world.becomes(name)
    lay(world, name, "ConfigMap", "lost")
    world.engine.gitops("app", "refresh", name, "--hard")
    world.becomes(name)
    assert not [c for c in world.app(name)["status"]["conditions"] if c["type"] == "OrphanedResourceWarning"]
    listed = [
        event
        for event in AuditLog(world.cluster.audit_log).events(mark)
        if event["verb"] == "list"
        and (event.get("objectRef") or {}).get("namespace") == name
        and event["userAgent"].startswith("gitops")
    ]
    assert bool(listed) == (wish is not None)
