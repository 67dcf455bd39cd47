"""Objects that kubectl or Argo CD applied are taken over: nothing is lost, nothing doubled, removed fields go."""

import json

import pytest

from gitops.cluster import ClusterClient
from gitops.model.names import LAST_APPLIED
from gitops.model.objects import Manifest

pytestmark = pytest.mark.cluster

APPLIERS = {
    "kubectl": [],
    "Argo CD, client-side": ["--field-manager=argocd-controller"],
    "kubectl, server-side as Argo CD does": ["--server-side", "--field-manager=argocd-controller"],
}


def config_map(**data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def deployment(port: int, **env: str) -> dict:
    container = {
        "name": "main",
        "image": "example.com/app:1",
        "ports": [{"name": "http", "containerPort": port}],
        "env": [{"name": name, "value": value} for name, value in env.items()],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "d"}},
            "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [container]}},
        },
    }


def applied_before(syncer, obj: dict, arguments: list[str]) -> None:
    syncer.plane.kubectl("apply", "-n", syncer.namespace, "-f", "-", *arguments, stdin=json.dumps(obj))


def managers(live: dict) -> list[tuple[str, str]]:
    return [(e["manager"], e["operation"]) for e in live["metadata"]["managedFields"] if "subresource" not in e]


@pytest.mark.parametrize("applier", APPLIERS)
@pytest.mark.parametrize("read_live", [True, False], ids=["live was read", "live was not read"])
def test_a_field_that_left_git_goes_and_the_owner_is_us_alone(syncer, applier: str, read_live: bool) -> None:
    applied_before(syncer, config_map(kept="1", removed="1"), APPLIERS[applier])

    done = syncer.sync(config_map(kept="2"), read_live=read_live)

    live = syncer.get("ConfigMap", "c")
    assert done.phase == "Succeeded"
    assert live["data"] == {"kept": "2"}
    assert managers(live) == [("gitops-engine", "Apply")]
    assert LAST_APPLIED not in live["metadata"].get("annotations", {})


@pytest.mark.parametrize("applier", APPLIERS)
@pytest.mark.parametrize("read_live", [True, False], ids=["live was read", "live was not read"])
def test_a_list_item_whose_key_changed_is_not_doubled(syncer, applier: str, read_live: bool) -> None:
    applied_before(syncer, deployment(8080, OLD="1", KEPT="1"), APPLIERS[applier])

    assert syncer.sync(deployment(9090, KEPT="1"), read_live=read_live).phase == "Succeeded"

    [container] = syncer.get("Deployment", "d", "apps")["spec"]["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [9090]
    assert container["env"] == [{"name": "KEPT", "value": "1"}]


def test_what_others_own_is_left_alone(syncer, client: ClusterClient) -> None:
    applied_before(syncer, deployment(8080), [])
    theirs = {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "namespace": syncer.namespace, "annotations": {"theirs": "yes"}},
        "spec": {"replicas": 3},
    }  # fmt: skip
    client.apply(Manifest.of(theirs), field_manager="autoscaler")
    wanted = deployment(8080)
    del wanted["spec"]["replicas"]

    assert syncer.sync(wanted).phase == "Succeeded"

    live = syncer.get("Deployment", "d", "apps")
    assert live["spec"]["replicas"] == 3
    assert live["metadata"]["annotations"]["theirs"] == "yes"
    assert ("autoscaler", "Apply") in managers(live)


def test_what_was_there_before_any_apply_keeps_what_nobody_applied(syncer, client: ClusterClient) -> None:
    applied_before(syncer, config_map(kept="1", removed="1"), [])
    key = Manifest.of({**config_map(), "metadata": {"name": "c", "namespace": syncer.namespace}}).key
    client.merge_patch(key, {"metadata": {"finalizers": ["example.com/theirs"]}, "data": {"theirs": "1"}})
    client.json_patch(key, [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}])

    assert syncer.sync(config_map(kept="1"), read_live=False).phase == "Succeeded"

    live = syncer.get("ConfigMap", "c")
    client.merge_patch(key, {"metadata": {"finalizers": None}})
    assert live["data"] == {"kept": "1", "theirs": "1"}
    assert live["metadata"]["finalizers"] == ["example.com/theirs"]


def test_migration_can_be_turned_off(syncer) -> None:
    applied_before(syncer, config_map(kept="1", removed="1"), [])

    syncer.sync(config_map(kept="1"), options=["ClientSideApplyMigration=false"])

    live = syncer.get("ConfigMap", "c")
    assert live["data"] == {"kept": "1", "removed": "1"}
    assert ("kubectl-client-side-apply", "Update") in managers(live)


def test_once_adopted_an_object_costs_one_apply(syncer) -> None:
    applied_before(syncer, config_map(kept="1"), [])
    syncer.sync(config_map(kept="1"))

    syncer.sync(config_map(kept="1"))

    assert syncer.writes() == [("patch", "configmaps", "c")]


@pytest.mark.parametrize("read_live", [True, False], ids=["live was read", "live was not read"])
def test_an_object_in_a_wave_of_several_is_adopted_too(syncer, read_live: bool) -> None:
    applied_before(syncer, deployment(8080, OLD="1"), [])
    late = config_map(a="1")
    late["metadata"]["annotations"] = {"argocd.argoproj.io/sync-wave": "1"}

    done = syncer.sync(deployment(9090), late, read_live=read_live)

    assert done.phase == "Succeeded"
    [container] = syncer.get("Deployment", "d", "apps")["spec"]["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [9090]


@pytest.mark.parametrize("where", ["application", "object"])
def test_server_side_apply_false_changes_nothing(syncer, where: str) -> None:
    """All is applied server-side: the opt-out of Argo CD is accepted, and fields are neither lost nor doubled."""
    applied_before(syncer, deployment(8080, OLD="1"), [])
    wanted = deployment(9090, KEPT="1")
    if where == "object":
        wanted["metadata"]["annotations"] = {"argocd.argoproj.io/sync-options": "ServerSideApply=false"}
    options = ["ServerSideApply=false"] if where == "application" else []

    for _ in range(2):
        assert syncer.sync(wanted, options=options).phase == "Succeeded"

        live = syncer.get("Deployment", "d", "apps")
        [container] = live["spec"]["template"]["spec"]["containers"]
        assert [port["containerPort"] for port in container["ports"]] == [9090]
        assert container["env"] == [{"name": "KEPT", "value": "1"}]
        assert managers(live) == [("gitops-engine", "Apply")]
        assert LAST_APPLIED not in live["metadata"]["annotations"]
