"""Which objects are not there is asked once where they are many; each is asked for where that tells nothing."""

from __future__ import annotations

from collections import Counter

import pytest

from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import Manifest, ObjectKey
from gitops.reconcile import absent as room
from gitops.reconcile.absent import WORTH, absent
from testbed.audit import AuditLog
from testbed.controlplane import ControlPlane
from testbed.world import World


def wanted(namespace: str, count: int) -> list[tuple[ObjectKey, str]]:
    return [(ObjectKey("", "ConfigMap", namespace, f"part-{n:03}"), "v1") for n in range(count)]


def make(client: ClusterClient, namespace: str, *names: str) -> None:
    for name in names:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}
        client.apply(Manifest.of(body))


def requests(audit: AuditLog, since: int, namespace: str) -> Counter[str]:
    """The reads of ConfigMaps in a namespace by verb; what follows them is no read."""
    events = audit.events(since, resource="configmaps")
    return Counter(e["verb"] for e in events if e["objectRef"].get("namespace") == namespace and e["verb"] != "watch")


def test_one_list_tells_of_many(prepared: ClusterClient, control_plane: ControlPlane, namespace: str) -> None:
    make(prepared, namespace, "part-000", "part-049", "another")
    mark = control_plane.audit.mark()
    keys = [key for key, _ in wanted(namespace, WORTH)]
    assert absent(prepared, wanted(namespace, WORTH)) == set(keys[1:49])
    assert requests(control_plane.audit, mark, namespace) == {"list": 1}


def test_few_are_asked_for_one_by_one(prepared: ClusterClient, control_plane: ControlPlane, namespace: str) -> None:
    mark = control_plane.audit.mark()
    assert absent(prepared, wanted(namespace, WORTH - 1)) == set()
    assert requests(control_plane.audit, mark, namespace) == {}


def test_a_namespace_of_far_more_is_not_listed_to_its_end(
    prepared: ClusterClient, control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "EACH_PAGE", WORTH)
    make(prepared, namespace, *[f"another-{n:03}" for n in range(501)])
    mark = control_plane.audit.mark()
    assert absent(prepared, wanted(namespace, WORTH)) == set()
    assert requests(control_plane.audit, mark, namespace) == {"list": 1}


def test_who_may_not_list_knows_nothing(control_plane: ControlPlane, namespace: str) -> None:
    nobody = ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig_for("test:may-not-list")))
    assert absent(nobody, wanted(namespace, WORTH)) == set()


def test_a_first_sync_of_many_objects_reads_none_of_them(world: World) -> None:
    name = "many-at-first"
    repo = world.repo(
        {
            "app/all.yaml": "---\n".join(
                f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {key.name}}}\n" for key, _ in wanted(name, 120)
            )
        }
    )
    audit = world.cluster.audit
    mark = audit.mark()
    world.application(name, repo.http_url)
    world.becomes(name)
    made = requests(audit, mark, name)
    assert made["patch"] == 120
    assert made["get"] == 0
    assert made["list"] == 1
