"""What the control namespace says is followed: applications that a change concerns are looked at before their poll."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from appsets import project_of

from gitops.model.objects import Manifest, ObjectKey
from testbed.world import World, eventually

DEGRADED = "return {status = 'Degraded', message = 'the check of argocd-cm says so'}"
NO_SELF_HEAL = {"automated": {"prune": True}, "syncOptions": ["CreateNamespace=true"]}


@pytest.fixture
def settings(world: World) -> Iterator[ObjectKey]:
    """argocd-cm, empty before and after the test."""
    key = ObjectKey("", "ConfigMap", "argocd", "argocd-cm")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": key.name, "namespace": key.namespace}}
    world.client.apply(Manifest.of({**body, "data": {}}))
    yield key
    world.client.merge_patch(key, {"data": None})


def decide(world: World, settings: ObjectKey, name: str, value: str | None) -> None:
    world.client.merge_patch(settings, {"data": {name: value}}, field_manager="a-person")


def test_a_health_check_reaches_the_applications_with_the_kind(
    world: World, small: dict[str, str], settings: ObjectKey
) -> None:
    # The poll comes after three minutes, and of what was compared already nothing is read before an hour is over.
    world.application("judged", world.repo(small).http_url)
    other = world.repo({"app/role.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: one}\n"})
    world.application("unjudged", other.http_url)
    world.becomes("judged")
    before = world.becomes("unjudged")["metadata"]["resourceVersion"]
    decide(world, settings, "resource.customizations.health.ConfigMap", DEGRADED)
    world.becomes("judged", health="Degraded")
    decide(world, settings, "resource.customizations.health.ConfigMap", None)
    world.becomes("judged")
    assert world.app("unjudged")["metadata"]["resourceVersion"] == before


def test_differences_that_are_ignored_from_now_on(world: World, small: dict[str, str], settings: ObjectKey) -> None:
    world.application("overlooked", world.repo(small).http_url, syncPolicy=NO_SELF_HEAL)
    world.becomes("overlooked")
    live = ObjectKey("", "ConfigMap", "overlooked", "settings")
    world.client.merge_patch(live, {"data": {"colour": "red"}}, field_manager="a-person")
    world.becomes("overlooked", sync="OutOfSync")
    rule = "resource.customizations.ignoreDifferences.ConfigMap"
    decide(world, settings, rule, "jsonPointers: [/data/colour]")
    world.becomes("overlooked")
    decide(world, settings, rule, None)
    world.becomes("overlooked", sync="OutOfSync")


def test_kinds_that_are_excluded_from_now_on(world: World, small: dict[str, str], settings: ObjectKey) -> None:
    world.application("excluded", world.repo(small).http_url, syncPolicy=NO_SELF_HEAL)
    world.becomes("excluded")
    decide(world, settings, "resource.exclusions", "- {apiGroups: [''], kinds: [ConfigMap]}\n")
    assert "ConfigMap" in world.condition("excluded", "ExcludedResourceWarning")
    decide(world, settings, "resource.exclusions", None)
    eventually(lambda: not world.app("excluded")["status"].get("conditions"), "the warning's end", context=world.logs)


def test_another_way_of_tracking(world: World, small: dict[str, str], settings: ObjectKey) -> None:
    world.application("retracked", world.repo(small).http_url)
    world.becomes("retracked")
    decide(world, settings, "application.resourceTrackingMethod", "annotation+label")

    def label() -> str:
        live = world.live("ConfigMap", "retracked", "settings") or {"metadata": {}}
        return str((live["metadata"].get("labels") or {}).get("app.kubernetes.io/instance"))

    eventually(lambda: label() == "retracked", "the instance label", context=world.logs)
    world.becomes("retracked")
    decide(world, settings, "application.resourceTrackingMethod", None)
    eventually(lambda: label() == "None", "the label's end", context=world.logs)
    world.becomes("retracked")


def test_a_project_that_changes(world: World, small: dict[str, str]) -> None:
    repo = world.repo(small)
    world.client.apply(Manifest.of(project_of("changing", ["*"])))
    world.application("governed", repo.http_url, project="changing")
    # Its namespace is nothing that the project permits.
    world.condition("governed", "SyncError")
    permits = {"clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}]}
    key = ObjectKey("argoproj.io", "AppProject", "argocd", "changing")
    world.client.merge_patch(key, {"spec": permits})
    # The next of its retries goes by the project as it is then.
    world.becomes("governed")
    world.client.merge_patch(key, {"spec": {"sourceRepos": ["https://elsewhere.example/*"]}})
    assert "is not permitted in project changing" in world.condition("governed", "InvalidSpecError")
    world.client.merge_patch(key, {"spec": {"sourceRepos": ["*"]}})
    world.becomes("governed")


def test_a_project_that_comes_late(world: World, small: dict[str, str]) -> None:
    world.application("early", world.repo(small).http_url, project="late")
    assert "does not exist" in world.condition("early", "InvalidSpecError")
    late = project_of("late", ["*"])
    late["spec"]["clusterResourceWhitelist"] = [{"group": "*", "kind": "*"}]
    world.client.apply(Manifest.of(late))
    world.becomes("early")


def test_credentials_that_come_late(world: World, small: dict[str, str]) -> None:
    key = f"late-{int(time.time())}"
    repo = world.git.create(f"locked/{key}")
    repo.publish(small, "first")
    # The server's host key is not known, until the repository's Secret says that it need not be.
    world.application("locked-out", repo.ssh_url)
    world.condition("locked-out", "ComparisonError")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": key,
            "namespace": "argocd",
            "labels": {"argocd.argoproj.io/secret-type": "repository"},
        },
        "stringData": {
            "url": repo.ssh_url,
            "sshPrivateKey": world.git.ssh_key.read_text(),
            "insecureIgnoreHostKey": "true",
        },
    }
    world.client.apply(Manifest.of(secret))
    world.becomes("locked-out")
    world.client.delete(ObjectKey("", "Secret", "argocd", key))
