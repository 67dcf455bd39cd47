"""The cases about syncing, on a real API server, to the outcome that Argo CD gives; order from the audit log."""

import secrets

import pytest

from gitops.cluster import UnknownKind
from gitops.model.objects import ObjectKey
from testbed.processes import wait_until

pytestmark = pytest.mark.cluster


def order(syncer, *resources: str) -> list[str]:
    """Names in the order of their first write, of these resources."""
    return list(dict.fromkeys(name for _, resource, name in syncer.writes() if resource in resources))


def test_sync_waves(syncer, case) -> None:
    done = syncer.sync(*reversed(case("sync-waves")))

    assert done.message == "successfully synced (all tasks run)"
    assert order(syncer, "configmaps") == ["cm-1", "cm-2"]


def test_prune_order_is_the_reverse_of_creation(syncer, case) -> None:
    objects = case("syncwaves-prune-order")
    binding = next(obj for obj in objects if obj["kind"] == "RoleBinding")
    binding["subjects"][0]["namespace"] = syncer.namespace
    assert syncer.sync(*objects).phase == "Succeeded"
    assert order(syncer, "serviceaccounts", "roles", "rolebindings", "pods") == [
        "modify-pods-sa", "modify-pods-role", "modify-pods-rolebinding", "pod-with-finalizers",
    ]  # fmt: skip

    def pre_stop(_) -> None:
        """The pod's own hook, which works only while its ServiceAccount and Role are still there."""
        pod = syncer.get("Pod", "pod-with-finalizers")
        allowed = [
            syncer.get("ServiceAccount", "modify-pods-sa"),
            syncer.get("Role", "modify-pods-role", "rbac.authorization.k8s.io"),
            syncer.get("RoleBinding", "modify-pods-rolebinding", "rbac.authorization.k8s.io"),
        ]
        if pod and pod["metadata"].get("deletionTimestamp") and all(allowed):
            key = ObjectKey("", "Pod", syncer.namespace, "pod-with-finalizers")
            syncer.client.merge_patch(key, {"metadata": {"finalizers": None}})

    done = syncer.sync(prune=True, react=pre_stop)

    assert done.phase == "Succeeded"
    deleted = [name for verb, _, name in syncer.writes() if verb == "delete"]
    assert deleted[:2] == ["pod-with-finalizers", "modify-pods-rolebinding"]
    assert set(deleted[2:]) == {"modify-pods-sa", "modify-pods-role"}


def test_a_hook_that_ends_well(syncer, case) -> None:
    done = syncer.sync(*case("hook"))

    assert done.message == "successfully synced (no more tasks)"
    assert syncer.rows()["hook"]["hookPhase"] == "Succeeded"
    assert syncer.rows()["pod"]["status"] == "Synced"


def test_a_hook_deleted_externally_is_no_failure(syncer, case) -> None:
    assert syncer.sync(*case("hook-resource-deleted-externally")).phase == "Succeeded"
    assert syncer.rows()["hook"]["hookPhase"] == "Succeeded"


def test_hooks_in_another_namespace(syncer, case) -> None:
    second = f"second-{secrets.token_hex(4)}"
    objects = case("multi-namespace-hook")
    for obj in objects:
        if obj["kind"] == "Namespace":
            obj["metadata"]["name"] = second
        elif obj["metadata"].get("namespace"):
            obj["metadata"]["namespace"] = second

    done = syncer.sync(*objects)

    assert done.phase == "Succeeded"
    written = [(resource, name) for _, resource, name in syncer.writes(second)]
    assert written.index(("deployments", "nginx-deployment")) < written.index(("pods", "my-hook"))
    rows = [row for row in syncer.record.to_status()["syncResult"]["resources"] if row["name"] == "my-hook"]
    assert {row["namespace"] for row in rows} == {syncer.namespace, second}
    for namespace in (syncer.namespace, second):
        gone = ObjectKey("", "Pod", namespace, "my-hook")
        wait_until(lambda key=gone: syncer.client.get(key) is None, 20, "the succeeded hook is gone")
    syncer.client.delete(ObjectKey("", "Namespace", "", second))


def test_a_cluster_scoped_hook(syncer, case) -> None:
    objects = case("cluster-role-hook")
    for obj in objects:
        if obj["kind"] == "ClusterRoleBinding":
            obj["metadata"] |= {"namespace": "", "name": f"binding-{secrets.token_hex(4)}"}
            del obj["metadata"]["namespace"]
            key = ObjectKey("rbac.authorization.k8s.io", "ClusterRoleBinding", "", obj["metadata"]["name"])

    done = syncer.sync(*objects)

    assert done.phase == "Succeeded"
    assert syncer.rows()[key.name]["syncPhase"] == "PreSync"
    syncer.client.delete(key)


def test_crds_with_their_objects_in_one_sync(syncer, case) -> None:
    objects = case("crd-creation", "crd-instances.yaml", "crd.yaml")
    for obj in objects:
        if obj["kind"] != "CustomResourceDefinition" and obj["metadata"].get("namespace"):
            obj["metadata"]["name"] += "-2"
            obj["metadata"]["namespace"] = syncer.namespace

    done = syncer.sync(*objects)

    dummy = syncer.get("Dummy", "dummy-crd-instance", "argoproj.io")
    for name in ("dummies", "clusterdummies"):
        syncer.client.delete(ObjectKey("apiextensions.k8s.io", "CustomResourceDefinition", "", f"{name}.argoproj.io"))
    assert done.phase == "Succeeded"
    assert dummy is not None
    assert syncer.rows()["cluster-dummy-crd-instance"]["status"] == "Synced"


def test_an_object_of_a_kind_that_nothing_brings(syncer, case) -> None:
    [instance] = [obj for obj in case("crd-subresource", "crd-instances.yaml") if obj["kind"] == "StatusSubResource"]

    done = syncer.sync(instance)

    assert done.phase == "Failed"
    assert "does not know the kind StatusSubResource" in done.message
    with pytest.raises(UnknownKind):
        syncer.get("StatusSubResource", instance["metadata"]["name"], "argoproj.io")


def test_a_wrong_type_is_refused(syncer, case) -> None:
    done = syncer.sync(*case("crd-validation"))

    assert done.phase == "Failed"
    assert "containerPort" in syncer.rows()["nginx-deployment"]["message"]


def test_validate_false(syncer, case) -> None:
    [wrong] = case("sync-options-validate-false")
    assert syncer.sync(wrong).phase == "Succeeded"

    del wrong["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
    wrong["metadata"]["name"] = "still-invalid"
    assert syncer.sync(wrong).phase == "Failed"


def test_objects_of_two_namespaces(syncer, case, control_plane) -> None:
    objects = case("multi-namespace")
    second = control_plane.create_namespace(f"second-{secrets.token_hex(4)}")
    for obj in objects:
        if obj["metadata"].get("namespace"):
            obj["metadata"]["namespace"] = second

    assert syncer.sync(*objects).phase == "Succeeded"
    assert syncer.get("Deployment", "helm-guestbook", "apps", second) is not None
    syncer.client.delete(ObjectKey("", "Namespace", "", second))


def test_a_pre_delete_hook_is_no_part_of_a_sync(syncer, case) -> None:
    assert syncer.sync(*case("pre-delete-hook")).phase == "Succeeded"
    assert set(syncer.rows()) == {"guestbook-ui"}


def test_plain_pods_of_one_wave_are_not_waited_for(syncer, case) -> None:
    assert syncer.sync(*case("two-nice-pods"), read_live=False).message == "successfully synced (all tasks run)"
    assert sorted(syncer.writes()) == [("patch", "pods", "pod-1"), ("patch", "pods", "pod-2")]
