"""Which cluster an Application means: destinations to clients, kept as long as the cluster's Secret stays the same."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import orjson

from gitops.cluster.client import ClusterClient
from gitops.cluster.connection import Connection
from gitops.cluster.forking import on_fork
from gitops.errors import InvalidSpecError
from gitops.model.application import Destination
from gitops.model.credentials import Cluster, secret_data
from gitops.model.names import IN_CLUSTER_NAME, IN_CLUSTER_SERVER
from gitops.model.objects import Object, digest

#: Makes a client for a connection: where the caller puts in its limiter, observer and discovery cache. Takes the
#: cluster's server URL too, since that names the cluster in shared state.
MakeClient = Callable[[str, Connection], ClusterClient]


class Clusters:
    """The clusters that Applications may go to: the control cluster itself, and one for each cluster Secret."""

    def __init__(
        self, control: ClusterClient, secrets: Iterable[Object] = (), *, make: MakeClient | None = None
    ) -> None:
        """Takes the control cluster's client, the cluster Secrets as read from it, and how to make a client.

        A Secret that cannot be used is an error only for those who mean that cluster.
        """
        self.control = control
        self._make = make or (lambda _server, connection: ClusterClient(connection))
        self._lock = threading.Lock()
        self._clusters: dict[str, Cluster] = {}
        self._digests: dict[str, str] = {}
        #: What is wrong: by the Secret's name, and by the server and the cluster name that it gives.
        self._broken: dict[str, str] = {}
        self._meant: dict[str, str] = {}
        self._clients: dict[str, ClusterClient] = {}
        on_fork(self)
        self.update(secrets)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def update(self, secrets: Iterable[Object]) -> None:
        """Take the cluster Secrets as they are now. Clients of unchanged Secrets stay, with their connections.

        A Secret that cannot be used does not hold up the others: its error is raised to whoever means that cluster.
        """
        clusters: dict[str, Cluster] = {}
        digests: dict[str, str] = {}
        broken: dict[str, str] = {}
        meant: dict[str, str] = {}
        for secret in secrets:
            try:
                cluster = read_cluster(secret)
            except InvalidSpecError as error:
                plain = secret_data(secret)
                broken[str((secret.get("metadata") or {}).get("name"))] = str(error)
                meant |= dict.fromkeys((plain.get("server", "").rstrip("/"), plain.get("name", "")), str(error))
                continue
            clusters[cluster.server] = cluster
            digests[cluster.server] = digest(repr(sorted(secret_data(secret).items())).encode())
        with self._lock:
            stale = [server for server in self._clients if digests.get(server) != self._digests.get(server)]
            gone = [self._clients.pop(server) for server in stale]
            self._clusters, self._digests, self._broken, self._meant = clusters, digests, broken, meant
        for client in gone:
            client.close()

    @property
    def broken(self) -> dict[str, str]:
        """What is wrong with which cluster Secret."""
        return dict(self._broken)

    def all(self) -> list[Cluster]:
        """Every cluster, the control cluster first unless a Secret describes it."""
        with self._lock:
            found = list(self._clusters.values())
        if not any(cluster.server == IN_CLUSTER_SERVER for cluster in found):
            found.insert(0, Cluster(name=IN_CLUSTER_NAME, server=IN_CLUSTER_SERVER))
        return found

    def find(self, destination: Destination) -> Cluster:
        """The cluster that a destination names, by `server` or by `name` (specs section 1).

        Raises InvalidSpecError where it names none, both, an unknown one, or one whose Secret cannot be used.
        """
        server, name = destination.server.rstrip("/"), destination.name
        if server and name:
            raise InvalidSpecError(
                f"application destination can't have both name and server defined: {name} {server}; keep one"
            )
        if not server and not name:
            raise InvalidSpecError("application destination has neither name nor server; set one")
        if wrong := self._meant.get(server or name):
            raise InvalidSpecError(wrong)
        found = [cluster for cluster in self.all() if (cluster.server == server if server else cluster.name == name)]
        if not found:
            what = f"server {server}" if server else f"name {name}"
            raise InvalidSpecError(
                f"application destination {what}: no such cluster; add a cluster Secret or correct the destination"
            )
        if len(found) > 1:
            servers = ", ".join(sorted(cluster.server for cluster in found))
            raise InvalidSpecError(f"application destination name {name} means several clusters: {servers}; use server")
        return found[0]

    def client(self, destination: Destination, *, user: str = "", groups: tuple[str, ...] = ()) -> ClusterClient:
        """The client for a destination; with `user`, one that acts as that user and shares connections with it.

        Raises InvalidSpecError as `find` does.
        """
        client = self.client_of(self.find(destination))
        return client.impersonate(user, groups) if user else client

    def client_of(self, cluster: Cluster) -> ClusterClient:
        """The client for a cluster of `all`. Raises InvalidSpecError where its configuration cannot be used."""
        with self._lock:
            if client := self._clients.get(cluster.server):
                return client
            if cluster.server == IN_CLUSTER_SERVER and not cluster.config:
                return _within(self.control, cluster)
            client = self._clients[cluster.server] = self._make(cluster.server, Connection.from_cluster(cluster))
            return client


def _within(client: ClusterClient, cluster: Cluster) -> ClusterClient:
    """The same client where only the cluster's namespaces are looked at; the client itself where none are named."""
    if not cluster.namespaces:
        return client
    limited = copy.copy(client)
    limited.connection = replace(
        client.connection, namespaces=cluster.namespaces, cluster_resources=cluster.cluster_resources
    )
    return limited


def read_cluster(secret: Object) -> Cluster:
    """A cluster Secret as a Cluster (specs section 10).

    Raises InvalidSpecError naming the Secret and what is wrong with it, never its content.
    """
    name = f"cluster Secret {(secret.get('metadata') or {}).get('name')}"
    data = secret_data(secret)
    server = data.get("server", "").strip().rstrip("/")
    if not server:
        raise InvalidSpecError(f"{name} has no server; set it to the API server's URL")
    try:
        config: Any = orjson.loads(data.get("config") or "{}")
    except orjson.JSONDecodeError:
        config = None
    if not isinstance(config, dict):
        raise InvalidSpecError(f"{name}: config is not a JSON object; correct it")
    tls = config.get("tlsClientConfig")
    if tls is not None and not isinstance(tls, dict):
        raise InvalidSpecError(f"{name}: config.tlsClientConfig is not an object; correct it")
    if (tls or {}).get("insecure") and (tls or {}).get("caData"):
        raise InvalidSpecError(f"{name}: tlsClientConfig has both insecure and caData, which is invalid; drop one")
    return Cluster(
        name=data.get("name", "") or server,
        server=server,
        namespaces=tuple(part.strip() for part in data.get("namespaces", "").split(",") if part.strip()),
        cluster_resources=data.get("clusterResources", "") == "true",
        project=data.get("project", ""),
        config=config,
    )
