"""Reading and writing objects of a real API server."""

import base64
import os
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gitops.cluster import ApiError, ApiRefused, ClusterClient, Connection, UnknownKind, run_parallel
from gitops.errors import ClusterError
from gitops.model.credentials import Cluster
from gitops.model.objects import GVK, Manifest, ObjectKey
from testbed.controlplane import ControlPlane
from testbed.processes import wait_until

pytestmark = pytest.mark.cluster
CONFIG_MAP = GVK("", "v1", "ConfigMap")


def config_map(namespace: str, name: str, labels: dict[str, str] | None = None, **data: object) -> Manifest:
    meta = {"name": name, "namespace": namespace, "labels": labels or {}}
    return Manifest.of({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


def rv(obj: dict) -> str:
    return obj["metadata"]["resourceVersion"]


def test_an_apply_creates_and_one_that_changes_nothing_leaves_the_resource_version(
    client: ClusterClient, namespace: str
) -> None:
    manifest = config_map(namespace, "a", x="1")

    first = client.apply(manifest)

    assert rv(client.apply(manifest)) == rv(first)
    assert rv(client.apply(config_map(namespace, "a", x="2"))) != rv(first)
    assert client.get(manifest.key)["data"] == {"x": "2"}


def test_a_dry_run_changes_nothing(client: ClusterClient, namespace: str) -> None:
    manifest = config_map(namespace, "a", x="1")

    assert client.apply(manifest, dry_run=True)["data"] == {"x": "1"}
    assert client.get(manifest.key) is None


def test_metadata_only_leaves_out_the_content(client: ClusterClient, namespace: str) -> None:
    manifest = config_map(namespace, "a", {"app": "a"}, x="1")

    assert set(client.apply(manifest, metadata_only=True)) == {"apiVersion", "kind", "metadata"}
    [item] = client.list(CONFIG_MAP, namespace=namespace, labels="app=a", metadata_only=True)
    assert (item["kind"], item["apiVersion"], "data" in item) == ("ConfigMap", "v1", False)


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"dta": {"x": "1"}}, "apply ConfigMap/.*/bad: failed to create typed patch object .*dta: field not declared"),
        ({"data": {"a b": "1"}}, "ConfigMap .*bad.* is invalid: data.a b.: Invalid value"),
    ],
)
def test_a_wrong_object_is_refused_in_one_sentence(
    client: ClusterClient, namespace: str, extra: dict, sentence: str
) -> None:
    manifest = Manifest.of(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad", "namespace": namespace}, **extra}
    )

    with pytest.raises(ApiRefused, match=sentence) as caught:
        client.apply(manifest)
    assert caught.value.invalid
    assert not caught.value.transient


def test_a_field_of_another_manager_is_a_conflict_unless_forced(client: ClusterClient, namespace: str) -> None:
    client.apply(config_map(namespace, "a", x="theirs"), field_manager="they")
    ours = config_map(namespace, "a", x="ours")

    with pytest.raises(ApiError, match=r'conflicts with "they": - .data.x') as caught:
        client.apply(ours, force=False)

    assert caught.value.conflict
    assert client.apply(ours)["data"] == {"x": "ours"}


def test_an_immutable_field_is_told_from_other_faults(client: ClusterClient, namespace: str) -> None:
    def fixed(value: str) -> Manifest:
        return Manifest.of({**config_map(namespace, "fixed", x=value).load(), "immutable": True})

    client.apply(fixed("1"))

    with pytest.raises(ApiRefused) as caught:
        client.apply(fixed("2"))
    assert caught.value.immutable


def test_a_secret_s_value_is_not_in_the_error(client: ClusterClient, namespace: str) -> None:
    meta = {"name": "s", "namespace": namespace}
    secret = Manifest.of({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"pin": 987654321}})

    with pytest.raises(ApiRefused, match=r"data.pin: expected string") as caught:
        client.apply(secret)
    assert "987654321" not in str(caught.value)


def test_a_deletion_with_a_uid_spares_the_object_s_successor(client: ClusterClient, namespace: str) -> None:
    manifest = config_map(namespace, "a")
    old = client.apply(manifest)["metadata"]["uid"]
    assert client.delete(manifest.key, uid=old, propagation="Background") is True
    assert client.delete(manifest.key) is False
    new = client.apply(manifest)["metadata"]["uid"]

    with pytest.raises(ApiError, match="UID in the precondition") as caught:
        client.delete(manifest.key, uid=old)

    assert caught.value.conflict
    assert client.get(manifest.key)["metadata"]["uid"] == new


def test_create_replace_and_patches(client: ClusterClient, namespace: str) -> None:
    manifest = config_map(namespace, "a", x="1")
    made = client.create(manifest)
    with pytest.raises(ApiError, match="already exists") as caught:
        client.create(manifest)
    assert caught.value.exists

    stale = Manifest.of({**made, "data": {"x": "stale"}})
    client.merge_patch(manifest.key, {"data": {"y": "2"}})
    with pytest.raises(ApiError, match="object has been modified"):
        client.replace(stale)
    patched = client.json_patch(manifest.key, [{"op": "remove", "path": "/data/x"}])

    assert patched["data"] == {"y": "2"}
    with pytest.raises(ApiRefused):
        client.json_patch(manifest.key, [{"op": "test", "path": "/data/y", "value": "3"}])


def test_lists_come_in_pages_of_one_moment(client: ClusterClient, namespace: str) -> None:
    names = [f"n{number:02}" for number in range(25)]
    run_parallel(lambda name: client.apply(config_map(namespace, name, {"app": "pages"})), names, 8)

    pages = client.pages(CONFIG_MAP, namespace=namespace, labels="app=pages", limit=10)
    first = next(pages)
    client.delete(ObjectKey("", "ConfigMap", namespace, "n24"), propagation="Background")
    rest = list(pages)

    assert [item["metadata"]["name"] for page in [first, *rest] for item in page.items] == names
    assert {page.resource_version for page in rest} == {first.resource_version}
    listed = client.list(CONFIG_MAP, namespace=namespace, labels="app=pages", limit=10)
    assert len(list(listed)) == 24


def test_names_that_change_the_path_are_refused(client: ClusterClient, namespace: str) -> None:
    for name in ("..", "a/../../secrets/b", "a?x=y", "a b", ""):
        with pytest.raises(ClusterError, match=r"metadata\.name"):
            client.apply(config_map(namespace, name))


def crd(group: str) -> Manifest:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return Manifest.of(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"widgets.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        }
    )


def test_a_kind_is_known_after_its_definition_was_applied_and_unknown_after_it_has_gone(
    client: ClusterClient, namespace: str
) -> None:
    group = f"g{secrets.token_hex(3)}.example"
    definition = crd(group)
    widget = Manifest.of(
        {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": namespace}}
    )
    with pytest.raises(UnknownKind, match=f"kind Widget of {group}/v1"):
        client.apply(widget)

    client.apply(definition)

    def applied() -> bool:
        try:
            return bool(client.apply(widget))
        except (UnknownKind, ApiError):
            return False

    wait_until(applied, 30, "the new kind is served")
    assert f"{group}/v1/Widget" in client.discovery.api_versions()
    client.delete(definition.key, propagation="Background")

    def unknown() -> bool:
        try:
            client.get(widget.key)
        except UnknownKind:
            return True
        return False

    wait_until(unknown, 30, "the kind is gone")


def test_what_one_process_discovered_another_does_not_ask_for(control_plane: ControlPlane) -> None:
    kept: list[bytes] = []
    asked: list[str] = []
    connection = Connection.from_kubeconfig(control_plane.kubeconfig)
    first = ClusterClient(connection, store=kept.append)
    first.resource_for("apps", "Deployment")

    second = ClusterClient(connection, load=lambda: kept[-1], observer=lambda verb, *_: asked.append(verb))

    assert second.resource_for("apps", "Deployment").plural == "deployments"
    assert asked == []
    second.discovery.invalidate()
    assert second.resource_for("", "Namespace").namespaced is False
    assert asked == ["discovery", "discovery"]


def test_a_server_that_only_speaks_the_older_discovery_is_understood(
    client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = {(r.group, r.kind): (r.plural, r.namespaced, r.versions) for r in client.discovery.resources()}
    monkeypatch.setattr("gitops.cluster.discovery._AGGREGATED", "application/json")
    client.discovery.invalidate()

    old = {(r.group, r.kind): (r.plural, r.namespaced, r.versions) for r in client.discovery.resources()}

    assert old == new


def test_the_observer_counts_every_answer(control_plane: ControlPlane, namespace: str) -> None:
    seen: list[tuple[str, int]] = []
    client = ClusterClient(
        Connection.from_kubeconfig(control_plane.kubeconfig), observer=lambda verb, code, *_: seen.append((verb, code))
    )
    manifest = config_map(namespace, "a")

    client.apply(manifest)
    client.get(manifest.key, cached=True)
    client.delete(manifest.key)
    client.delete(ObjectKey("", "ConfigMap", namespace, "none"))

    assert [entry for entry in seen if entry[0] != "discovery"] == [
        ("apply", 201),
        ("get", 200),
        ("delete", 200),
        ("delete", 404),
    ]


def test_rbac_of_an_impersonated_user_holds(client: ClusterClient, namespace: str) -> None:
    nobody = client.impersonate(f"system:serviceaccount:{namespace}:default")

    with pytest.raises(ApiRefused, match=f'User "system:serviceaccount:{namespace}:default" cannot patch') as caught:
        nobody.apply(config_map(namespace, "a"))
    assert caught.value.forbidden


def test_a_cluster_secret_s_token_and_ca_reach_the_cluster(control_plane: ControlPlane, namespace: str) -> None:
    def connect(token: str, **tls: object) -> ClusterClient:
        config = {"bearerToken": token, "tlsClientConfig": tls}
        return ClusterClient(Connection.from_cluster(Cluster(name="c", server=control_plane.server, config=config)))

    ca = base64.b64encode(control_plane.ca_file.read_bytes()).decode()

    assert connect(control_plane.token, caData=ca).apply(config_map(namespace, "a"))
    assert connect(control_plane.token, insecure=True).apply(config_map(namespace, "a"))
    with pytest.raises(ClusterError, match="certificate is not trusted"):
        connect(control_plane.token).get(config_map(namespace, "a").key)
    with pytest.raises(ApiRefused, match="Unauthorized") as caught:
        connect("wrong", caData=ca).get(config_map(namespace, "a").key)
    assert caught.value.status == 401


def test_a_child_after_a_fork_has_connections_of_its_own(client: ClusterClient, namespace: str) -> None:
    manifest = config_map(namespace, "a", x="1")
    client.apply(manifest)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # nothing of the test runner may run in here
        try:
            values = {client.get(manifest.key)["data"]["x"] for _ in range(20)}
            os.write(writing, ",".join(values).encode())
        finally:
            os._exit(0)
    os.close(writing)
    own = {client.get(manifest.key)["data"]["x"] for _ in range(20)}
    with os.fdopen(reading) as answer:
        assert answer.read() == "1"
    os.waitpid(child, 0)
    assert own == {"1"}


class Busy(BaseHTTPRequestHandler):
    """An API server that is busy as often as it is told."""

    protocol_version = "HTTP/1.1"
    busy = 0
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        busy = type(self).busy > 0
        type(self).busy -= 1
        body = b'{"kind":"Status","code":429,"message":"too many requests"}' if busy else b'{"kind":"ConfigMap"}'
        self.send_response(429 if busy else 200)
        if busy:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("busy", "asked", "good"), [(2, 3, True), (9, 3, False)])
def test_a_busy_server_is_asked_again_but_not_for_ever(busy: int, asked: int, good: bool) -> None:
    handler = type("Handler", (Busy,), {"busy": busy, "asked": 0})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        known = b'{"etags":{},"documents":{"/api":[["","v1","ConfigMap","configmaps",true,[],false]]},"checked":9e12}'
        kept = known.replace(b"9e12", str(time.time()).encode())
        client = ClusterClient(Connection(f"http://127.0.0.1:{server.server_port}"), load=lambda: kept)

        def get() -> object:
            return client.get(ObjectKey("", "ConfigMap", "a", "b"))

        if good:
            assert get()
        else:
            with pytest.raises(ApiError, match="too many requests") as caught:
                get()
            assert caught.value.too_many
        client.close()
        server.shutdown()
    assert handler.asked == asked
