"""The clusters as this process reaches them: discovery shared through Redis, requests counted."""

from __future__ import annotations

from collections.abc import Callable

from gitops.cluster import ClusterClient, Clusters, Connection, Observer
from gitops.model.application import Destination
from gitops.model.credentials import Cluster
from gitops.model.names import IN_CLUSTER_SERVER
from gitops.reconcile.control import Control
from gitops.settings import Settings
from gitops.state import State

#: Seconds that another process's discovery may be taken over from Redis.
_DISCOVERY_TTL = 3600


class ClusterRegistry:
    """The control cluster, and the clusters of the cluster Secrets, by destination."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        observer: Callable[[str], Observer] | None = None,
        connection: Connection | None = None,
    ) -> None:
        self._state, self._observer = state, observer
        self.control = self._make(IN_CLUSTER_SERVER, connection or Connection.control(settings.kubeconfig))
        self._clusters = Clusters(self.control, make=self._make)
        self._seen: object = None

    def update(self, control: Control) -> Clusters:
        """All clusters, by the cluster Secrets as they are now."""
        config = control.get()
        if config is not self._seen:
            self._clusters.update(config.cluster_secrets)
            self._seen = config
        return self._clusters

    def by_server(self, server: str) -> ClusterClient:
        """The client of a cluster, by its server URL. Raises InvalidSpecError where there is no such cluster."""
        return self._clusters.client(Destination(server=server))

    def find(self, destination: Destination) -> Cluster:
        """The cluster that a destination names, as last updated. Raises InvalidSpecError where it names none."""
        return self._clusters.find(destination)

    def _make(self, server: str, connection: Connection) -> ClusterClient:
        key = self._state.keys.discovery(server)

        def load() -> bytes | None:
            value = self._state.redis.get(key)
            return self._state.seal.open(key, value if isinstance(value, bytes) else None)

        def store(data: bytes) -> None:
            self._state.redis.set(key, self._state.seal.seal(key, data), ex=_DISCOVERY_TTL)

        observer = self._observer(server) if self._observer else None
        return ClusterClient(connection, load=load, store=store, observer=observer)


def registry(
    settings: Settings,
    state: State,
    observer: Callable[[str], Observer] | None = None,
    connection: Connection | None = None,
) -> tuple[ClusterRegistry, Control]:
    """The clusters, and the reader of the control namespace. `connection`: one to the control cluster, made before."""
    clusters = ClusterRegistry(settings, state, observer, connection)

    def counter() -> str:
        value = state.redis.get(state.keys.config)
        return value.decode() if isinstance(value, bytes) else ""

    control = Control(clusters.control, settings.namespace, counter)
    return clusters, control
