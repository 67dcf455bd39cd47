"""Watching a real API server, also when it goes away, forgets, or cuts the line."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from gitops.cluster import ClusterClient, Connection, Event, UnknownKind, Watch, Watches, run_parallel
from gitops.errors import ClusterError
from gitops.model.credentials import Cluster
from gitops.model.objects import GVK, Manifest, ObjectKey
from testbed.controlplane import ControlPlane
from testbed.processes import wait_until

pytestmark = pytest.mark.cluster
CONFIG_MAP = GVK("", "v1", "ConfigMap")
LABEL = "test.example/managed"


def config_map(namespace: str, name: str, **data: str) -> Manifest:
    meta = {"name": name, "namespace": namespace, "labels": {LABEL: namespace}}
    return Manifest.of({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


class Recorder:
    """Remembers what a watch told, and keeps key -> resourceVersion as the live index does."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.errors: list[ClusterError] = []
        self.known: dict[ObjectKey, str] = {}

    def event(self, event: Event) -> None:
        if event.type == "DELETED":
            self.known.pop(event.key, None)
        elif event.type in ("ADDED", "MODIFIED"):
            self.known[event.key] = event.resource_version
        self.events.append(event)

    def seen(self, kind: str, name: str = "") -> int:
        return sum(event.type == kind and event.key.name == name for event in self.events)

    def until(self, kind: str, name: str = "", times: int = 1) -> None:
        wait_until(lambda: self.seen(kind, name) >= times, 60, f"{kind} {name}")

    def watch(self, client: ClusterClient, namespace: str, **options: object) -> Watch:
        return Watch(
            client,
            CONFIG_MAP,
            self.event,
            on_error=self.errors.append,
            known=lambda: self.known,
            labels=f"{LABEL}={namespace}",
            **options,
        )


@pytest.fixture
def watches() -> Iterator[Watches]:
    running = Watches()
    running.start()
    yield running
    running.stop()


@pytest.fixture(params=["streamed", "paged"])
def listing(request: pytest.FixtureRequest, client: ClusterClient) -> ClusterClient:
    """The client of a server that can, or cannot, send a list as a watch."""
    client.transport.streaming_lists = request.param == "streamed"
    return client


def test_a_watch_tells_what_there_is_and_then_what_happens(
    listing: ClusterClient, namespace: str, watches: Watches
) -> None:
    told = Recorder()
    listing.apply(config_map(namespace, "a", x="1"))
    watches.add(told.watch(listing, namespace))
    told.until("SYNCED")
    assert [(event.type, event.key.name) for event in told.events] == [("ADDED", "a"), ("SYNCED", "")]

    listing.apply(config_map(namespace, "b"))
    changed = listing.apply(config_map(namespace, "a", x="2"))
    listing.delete(config_map(namespace, "b").key, propagation="Background")
    told.until("DELETED", "b")

    assert (told.seen("ADDED", "b"), told.seen("MODIFIED", "a")) == (1, 1)
    event = next(event for event in told.events if event.type == "MODIFIED")
    assert event.resource_version == changed["metadata"]["resourceVersion"]
    assert (event.object["kind"], "data" in event.object) == ("ConfigMap", False)


def test_an_object_that_loses_its_label_is_deleted_for_the_watch(
    client: ClusterClient, namespace: str, watches: Watches
) -> None:
    told = Recorder()
    client.apply(config_map(namespace, "a"))
    watches.add(told.watch(client, namespace))
    told.until("SYNCED")

    client.merge_patch(config_map(namespace, "a").key, {"metadata": {"labels": {LABEL: None}}})

    told.until("DELETED", "a")
    assert told.known == {}


@pytest.fixture(scope="module")
def aged() -> Iterator[ControlPlane]:
    """A control plane that has forgotten its past: a restarted API server knows no changes from before."""
    with ControlPlane(controllers=False) as cluster:
        ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig)).apply(config_map("default", "past"))
        cluster.restart_apiserver()
        yield cluster


@pytest.mark.parametrize("streamed", [True, False])
def test_after_410_a_new_list_tells_only_the_difference(aged: ControlPlane, streamed: bool, watches: Watches) -> None:
    client = ClusterClient(Connection.from_kubeconfig(aged.kubeconfig))
    client.transport.streaming_lists = streamed
    namespace = aged.create_namespace(f"difference-{streamed}".lower())
    told = Recorder()
    for name in ("same", "changed"):
        manifest = config_map(namespace, name)
        told.known[manifest.key] = client.apply(manifest)["metadata"]["resourceVersion"]
    told.known[ObjectKey("", "ConfigMap", namespace, "vanished")] = "1"
    client.apply(config_map(namespace, "changed", x="2"))
    client.apply(config_map(namespace, "new"))

    watches.add(told.watch(client, namespace, resource_version="1"))

    told.until("DELETED", "vanished")
    wait_until(lambda: told.events[-1].type == "SYNCED", 60, "the list is complete")
    differences = {(event.type, event.key.name) for event in told.events if event.type != "SYNCED"}
    assert differences == {("MODIFIED", "changed"), ("ADDED", "new"), ("DELETED", "vanished")}
    assert told.errors == []


def test_an_event_whose_handling_failed_comes_again(client: ClusterClient, namespace: str, watches: Watches) -> None:
    told = Recorder()
    failing = threading.Event()
    failures: list[str] = []

    def event(event: Event) -> None:
        if failing.is_set() and event.key.name == "a":
            failing.clear()
            failures.append(event.resource_version)
            raise RuntimeError("the index could not be written")
        told.event(event)

    watches.add(Watch(client, CONFIG_MAP, event, labels=f"{LABEL}={namespace}"))
    told.until("SYNCED")
    failing.set()

    client.apply(config_map(namespace, "a"))

    told.until("ADDED", "a")
    assert [event.resource_version for event in told.events if event.key.name == "a"] == failures


def test_a_kind_that_is_not_served_is_told_and_hurts_no_other_watch(
    client: ClusterClient, namespace: str, watches: Watches
) -> None:
    told, other = Recorder(), Recorder()
    watches.add(Watch(client, GVK("none.example", "v1", "Nothing"), told.event, on_error=told.errors.append))
    watches.add(other.watch(client, namespace))

    wait_until(lambda: bool(told.errors), 60, "the error is told")
    other.until("SYNCED")
    assert isinstance(told.errors[0], UnknownKind)


def test_a_removed_watch_is_silent_and_stop_closes_all(client: ClusterClient, namespace: str) -> None:
    watches = Watches()
    watches.start()
    removed, stays = Recorder(), Recorder()
    watch = removed.watch(client, namespace)
    watches.add(watch)
    watches.add(stays.watch(client, namespace))
    removed.until("SYNCED")
    stays.until("SYNCED")

    watches.remove(watch)
    client.apply(config_map(namespace, "a"))
    stays.until("ADDED", "a")
    watches.stop()

    assert removed.seen("ADDED", "a") == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "watches"]


def test_a_thousand_changes_all_arrive_in_order(client: ClusterClient, namespace: str, watches: Watches) -> None:
    told = Recorder()
    watches.add(told.watch(client, namespace))
    told.until("SYNCED")

    def write(number: int) -> None:
        client.apply(config_map(namespace, f"n{number % 50}", x=str(number)))

    run_parallel(write, range(1000), 8)

    def changes() -> list[Event]:
        return [event for event in told.events if event.type in ("ADDED", "MODIFIED")]

    wait_until(lambda: len(changes()) >= 1000, 60, "all changes have come")
    versions = [int(event.resource_version) for event in changes()]
    assert versions == sorted(set(versions))


class Wire:
    """A TCP relay to the API server that can be cut, and can fall silent."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.accepted = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.silent = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            far = socket.create_connection(("127.0.0.1", self._target))
            self._pairs.append((near, far))
            for source, sink, quiet in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._copy, args=(source, sink, quiet, self.silent), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket, quiet: bool, silent: threading.Event) -> None:
        try:
            while data := source.recv(65536):
                if not (quiet and silent.is_set()):
                    sink.sendall(data)
        except OSError:
            pass

    def hush(self) -> None:
        """Let what is connected now hang: nothing comes through any more, nothing is closed. New connections work."""
        self.silent.set()
        self.silent = threading.Event()

    def cut(self) -> None:
        for near, far in self._pairs:
            for end in (near, far):
                end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize("fault", [Wire.cut, Wire.hush])
def test_a_broken_or_dead_connection_loses_no_change(
    control_plane: ControlPlane, client: ClusterClient, namespace: str, fault: Callable[[Wire], None]
) -> None:
    wire = Wire(control_plane.port)
    config = {"bearerToken": control_plane.token, "tlsClientConfig": {"insecure": True}}
    behind = ClusterClient(
        Connection.from_cluster(Cluster(name="c", server=f"https://127.0.0.1:{wire.port}", config=config))
    )
    watches = Watches(silence=2.0)
    watches.start()
    told = Recorder()
    watches.add(told.watch(behind, namespace))
    told.until("SYNCED")

    fault(wire)
    client.apply(config_map(namespace, "a"))

    told.until("ADDED", "a")
    watches.stop()
    wire.close()
    assert told.seen("SYNCED") == 1  # it went on from where it was, without a new list
    assert told.errors


def test_a_restarted_api_server_is_followed_again_without_a_storm() -> None:
    with ControlPlane(controllers=False) as cluster:
        client = ClusterClient(Connection.from_kubeconfig(cluster.kubeconfig))
        watches = Watches()
        watches.start()
        told = [Recorder() for _ in range(10)]
        for recorder in told:
            watches.add(recorder.watch(client, "default"))
        for recorder in told:
            recorder.until("SYNCED")

        cluster.restart_apiserver()
        client.apply(config_map("default", "a"))  # the pool's own connection is stale too

        for recorder in told:
            recorder.until("ADDED", "a")
        watches.stop()
        assert all(recorder.seen("SYNCED") <= 2 for recorder in told)  # at most one new list each
        lists = cluster.audit.events(verb="list", resource="configmaps")
        opened = cluster.audit.events(verb="watch", resource="configmaps")
        assert lists == []
        assert len(opened) <= 2 * 3 * len(told)  # two log entries each: the first, the resumed, and one after a 410


def test_what_follows_a_round_of_events_is_called_after_it_and_when_it_asks_to_be(
    client: ClusterClient, namespace: str
) -> None:
    told = Recorder()
    heard: list[int] = []
    client.apply(config_map(namespace, "a", x="1"))
    running = Watches()

    def after(_now: float) -> float:
        heard.append(len(told.events))
        if len(heard) == 1:
            raise RuntimeError("once")
        return 0.01

    running.after(after)
    running.add(told.watch(client, namespace))
    running.start()
    try:
        told.until("SYNCED")
        wait_until(lambda: bool(heard) and heard[-1] == len(told.events), 60, "a call after the events")
        calls = len(heard)
        wait_until(lambda: len(heard) > calls + 5, 60, "calls without events")
    finally:
        running.stop()
