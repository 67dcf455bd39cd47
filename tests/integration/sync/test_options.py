"""Sync options on the real API server."""

import pytest

from gitops.model.objects import Manifest, ObjectKey
from testbed.processes import wait_until

pytestmark = pytest.mark.cluster

PREFIX = "argocd.argoproj.io/"


def config_map(name: str = "c", options: str = "", wave: int | None = None, **more: object) -> dict:
    annotations = {PREFIX + "sync-options": options} if options else {}
    if wave is not None:
        annotations[PREFIX + "sync-wave"] = str(wave)
    meta = {"name": name, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "1"}, **more}


def job(name: str, image: str = "example.com/job:1", options: str = "", **annotations: str) -> dict:
    marks = {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
    if options:
        marks[PREFIX + "sync-options"] = options
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "annotations": marks},
        "spec": {"template": template, "backoffLimit": 0},
    }


def role_binding(role: str) -> dict:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "default"}],
    }


def test_an_object_that_needs_nothing_more_is_one_request(syncer) -> None:
    syncer.sync(config_map("a"), config_map("b"), read_live=False)

    assert sorted(syncer.writes()) == [("patch", "configmaps", "a"), ("patch", "configmaps", "b")]


def test_force_makes_an_object_again_whose_field_cannot_be_changed(syncer) -> None:
    syncer.sync(job("j"))
    before = syncer.get("Job", "j", "batch")["metadata"]["uid"]

    refused = syncer.sync(job("j", image="example.com/job:2"))
    assert refused.phase == "Failed"
    assert "field is immutable" in refused.message

    assert syncer.sync(job("j", image="example.com/job:2", options="Force=true")).phase == "Succeeded"
    live = syncer.get("Job", "j", "batch")
    assert live["metadata"]["uid"] != before
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "example.com/job:2"


def test_force_never_deletes_an_object_that_is_only_invalid(syncer) -> None:
    syncer.sync(job("j"))
    before = syncer.get("Job", "j", "batch")["metadata"]["uid"]
    wrong = job("j", options="Force=true")
    wrong["spec"]["template"]["spec"]["restartPolicy"] = "Sometimes"

    assert syncer.sync(wrong).phase == "Failed"
    assert syncer.get("Job", "j", "batch")["metadata"]["uid"] == before


def test_replace_leaves_nothing_that_git_does_not_name(syncer, client) -> None:
    syncer.sync(config_map())
    client.merge_patch(ObjectKey("", "ConfigMap", syncer.namespace, "c"), {"data": {"theirs": "1"}})

    assert syncer.sync(config_map(options="Replace=true")).phase == "Succeeded"
    assert syncer.get("ConfigMap", "c")["data"] == {"a": "1"}
    assert syncer.rows()["c"]["message"] == "configmap/c replaced"


def test_a_role_binding_to_another_role_is_made_again(syncer) -> None:
    syncer.sync(role_binding("view"))

    assert syncer.sync(role_binding("edit")).phase == "Succeeded"
    live = syncer.get("RoleBinding", "b", "rbac.authorization.k8s.io")
    assert live["roleRef"]["name"] == "edit"


def test_an_unknown_field_is_refused_unless_validation_is_off(syncer) -> None:
    assert "field not declared in schema" in syncer.sync(config_map(typo="x")).message

    assert syncer.sync(config_map(options="Validate=false", typo="x")).phase == "Succeeded"
    assert syncer.get("ConfigMap", "c")["data"] == {"a": "1"}


def test_an_unknown_field_deep_inside_goes_too(syncer) -> None:
    wrong = job("j", options="Validate=false")
    wrong["spec"]["template"]["spec"]["containers"][0] |= {"typo": 1, "ports": [{"containerPort": 80, "oops": "x"}]}
    wrong["spec"]["nope"] = {"a": 1}

    assert syncer.sync(wrong).phase == "Succeeded"
    assert (
        syncer.get("Job", "j", "batch")["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] == 80
    )


def test_pruning_is_by_uid_and_in_the_foreground(syncer) -> None:
    syncer.sync(config_map("old"), config_map("kept", options="Prune=false"))

    done = syncer.sync(config_map("new"), prune=True)

    assert done.phase == "Succeeded"
    wait_until(lambda: syncer.get("ConfigMap", "old") is None, 20, "the old ConfigMap is gone")
    assert syncer.get("ConfigMap", "kept") is not None
    assert syncer.rows()["kept"]["status"] == "PruneSkipped"


def test_the_namespace_is_created_with_its_metadata(syncer, client) -> None:
    name = f"{syncer.namespace}-made"
    outer, syncer.namespace = syncer.namespace, name
    managed = {"managedNamespaceMetadata": {"labels": {"team": "a"}, "annotations": {"x": "y"}}}

    done = syncer.sync(config_map(), options=["CreateNamespace=true"], policy=managed)

    made = client.get(ObjectKey("", "Namespace", "", name))
    client.delete(ObjectKey("", "Namespace", "", name))
    syncer.namespace = outer
    assert done.phase == "Succeeded"
    assert made["metadata"]["labels"]["team"] == "a"
    assert "argocd.argoproj.io/tracking-id" not in made["metadata"]["annotations"]


def test_with_waves_an_invalid_object_keeps_everything_from_being_applied(syncer) -> None:
    wrong = config_map("wrong", wave=1)
    wrong["data"] = {"a b": "1"}

    done = syncer.sync(config_map("good", wave=0), wrong)

    assert done.message == "one or more objects failed to apply (dry run)"
    assert syncer.get("ConfigMap", "good") is None
    assert "Invalid value" in syncer.rows()["wrong"]["message"]


def test_hooks_run_around_the_sync_and_go_as_their_policy_says(syncer) -> None:
    done = syncer.sync(
        job("before", hook="PreSync", hook_delete_policy="HookSucceeded"),
        config_map(),
        job("after", hook="PostSync"),
    )

    assert done.message == "successfully synced (no more tasks)"
    assert [name for verb, kind, name in syncer.writes() if verb == "patch" and kind == "configmaps"] == ["c"]
    order = list(dict.fromkeys(name for _, _, name in syncer.writes()))
    assert order == ["before", "c", "after"]
    wait_until(lambda: syncer.get("Job", "before", "batch") is None, 20, "the succeeded hook is gone")
    assert "finalizers" not in syncer.get("Job", "after", "batch")["metadata"]
    rows = syncer.rows()
    assert (rows["after"]["hookType"], rows["after"]["hookPhase"]) == ("PostSync", "Succeeded")


def test_a_failed_hook_stops_the_sync(syncer) -> None:
    failing = job("before", hook="PreSync")
    failing["spec"]["template"]["metadata"] = {"annotations": {"testbed.gitops/fail": "exit"}}

    done = syncer.sync(failing, config_map(), job("tell", hook="SyncFail"))

    assert done.message == "one or more synchronization tasks completed unsuccessfully"
    assert syncer.get("ConfigMap", "c") is None
    assert syncer.rows()["tell"]["hookPhase"] == "Succeeded"


def test_a_hook_is_made_again_by_the_next_sync(syncer) -> None:
    syncer.sync(job("h", hook="Sync"))
    first = syncer.get("Job", "h", "batch")["metadata"]["uid"]

    assert syncer.sync(job("h", image="example.com/job:2", hook="Sync")).phase == "Succeeded"
    assert syncer.get("Job", "h", "batch")["metadata"]["uid"] != first


def test_a_hook_whose_object_a_ttl_deletes_still_counts_as_completed(syncer) -> None:
    hook = job("h", hook="Sync")
    hook["spec"]["ttlSecondsAfterFinished"] = 0

    assert syncer.sync(hook, config_map()).phase == "Succeeded"
    assert syncer.rows()["h"]["hookPhase"] == "Succeeded"


def test_ignored_fields_are_applied_as_they_are_live(syncer, client) -> None:
    syncer.sync(config_map())
    client.merge_patch(ObjectKey("", "ConfigMap", syncer.namespace, "c"), {"data": {"a": "theirs"}})
    syncer.respect_ignored = lambda target, live: {**target, "data": live["data"]}

    syncer.sync(config_map(), options=["RespectIgnoreDifferences=true"])

    assert syncer.get("ConfigMap", "c")["data"] == {"a": "theirs"}


def dependents(syncer, owner: dict) -> dict:
    """A ConfigMap that belongs to `owner`."""
    meta = owner["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": meta["name"], "uid": meta["uid"]}
    child = {"name": "child", "namespace": syncer.namespace, "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": child}


def test_pruning_by_orphan_leaves_what_belongs_to_the_object(syncer, client) -> None:
    syncer.sync(config_map("parent"))
    client.apply(Manifest.of(dependents(syncer, syncer.get("ConfigMap", "parent"))))

    assert syncer.sync(prune=True, options=["PrunePropagationPolicy=orphan"]).phase == "Succeeded"

    wait_until(lambda: syncer.get("ConfigMap", "parent") is None, 20, "the parent is gone")
    wait_until(lambda: not syncer.get("ConfigMap", "child")["metadata"].get("ownerReferences"), 20, "the child is free")


def test_prune_last_deletes_after_every_wave(syncer) -> None:
    syncer.sync(config_map("old"))

    syncer.sync(config_map("new", wave=3), config_map("base"), prune=True, options=["PruneLast=true"])

    assert [(verb, name) for verb, _, name in syncer.writes()] == [
        ("patch", "base"),
        ("patch", "new"),
        ("delete", "old"),
    ]


def test_a_kind_that_is_missing_stops_nothing_where_its_dry_run_is_skipped(syncer) -> None:
    stranger = {"apiVersion": "nowhere.example/v1", "kind": "Stranger", "metadata": {"name": "s"}}
    stranger["metadata"]["annotations"] = {PREFIX + "sync-wave": "1"}

    refused = syncer.sync(config_map(), stranger)
    assert "not valid" in refused.message
    assert syncer.get("ConfigMap", "c") is None

    stranger["metadata"]["annotations"][PREFIX + "sync-options"] = "SkipDryRunOnMissingResource=true"
    tried = syncer.sync(config_map(), stranger)
    assert tried.phase == "Failed"
    assert syncer.get("ConfigMap", "c"), "the wave before it was applied"


def test_only_what_is_out_of_sync_is_applied_where_that_is_asked_for(syncer) -> None:
    options = ["ApplyOutOfSyncOnly=true"]
    syncer.sync(config_map("same"), config_map("other"), options=options)
    syncer.in_sync = lambda key: key.name == "same"

    syncer.sync(config_map("same"), config_map("other", options="Validate=false"), options=options)

    assert syncer.writes() == [("patch", "configmaps", "other")]
