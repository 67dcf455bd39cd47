"""The ears for managed objects: kinds in use, cluster by cluster, each part of them under a lease."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf

from beat.namespaces import watches_in
from beat.objects import ObjectEars
from beat.reach import Reach
from gitops.cluster import ClusterClient, Watch, Watches
from gitops.cluster.watch import Event
from gitops.errors import GitOpsError
from gitops.model.application import Destination
from gitops.model.names import WATCH_LABEL
from gitops.model.objects import GVK, Object
from gitops.model.tracking import owner
from gitops.observe import ClusterSummary
from gitops.reconcile.clusters import ClusterRegistry
from gitops.reconcile.control import ControlConfig
from gitops.settings import Settings
from gitops.state import State
from gitops.state.lease import Fence

logger = logging.getLogger("gitops.beat")

#: Kinds without marks of ours (specs section 3): all of them are followed, and none is an application's by its labels.
UNMARKED = {("apiextensions.k8s.io", "CustomResourceDefinition")}
#: Seconds until a kind that the cluster did not serve is looked for again.
ABSENT_SECONDS = 5.0


@dataclass
class Followed:
    """What is followed under one lease: kinds of one cluster."""

    server: str
    fence: Fence | None
    ears: ObjectEars
    watches: dict[tuple[str, str], list[Watch]] = field(default_factory=dict)
    synced: set[tuple[str, str]] = field(default_factory=set)
    swept: set[tuple[str, str]] = field(default_factory=set)
    #: Kinds that the cluster does not serve: when each is looked for again (time.monotonic()).
    absent: dict[tuple[str, str], float] = field(default_factory=dict)


class ManagedEars:
    """Adds watches to `watches` as kinds come into use. `config` gives the configuration as last looked at."""

    def __init__(
        self,
        state: State,
        settings: Settings,
        clusters: ClusterRegistry,
        watches: Watches,
        config: Callable[[], ControlConfig],
    ) -> None:
        self._state, self._settings, self._clusters = state, settings, clusters
        self._watches, self._config = watches, config
        self._followed: dict[str, Followed] = {}
        watches.after(self.tell)

    def follow(self, shard: str, server: str, kinds: set[tuple[str, str]], fence: Fence | None) -> None:
        """Follow these kinds of a cluster under the lease of `shard`; kinds that are followed already go on."""
        followed = self._followed.get(shard)
        if followed and followed.fence != fence:
            self.leave(shard)
            followed = None
        if followed is None:
            ears = ObjectEars(self._state, server, self._owner, fence)
            followed = self._followed[shard] = Followed(server, fence, ears)
        for kind in kinds - followed.watches.keys() - UNMARKED:
            if followed.absent.get(kind, 0.0) > time.monotonic():
                continue
            try:
                client = self._clusters.by_server(server)
                followed.watches[kind] = self._watches_of(client, followed, kind)
            except GitOpsError as error:
                if kind not in followed.absent:
                    logger.warning("cannot follow %s on %s: %s", kind[1], server, error)
                followed.absent[kind] = time.monotonic() + ABSENT_SECONDS
                continue
            for watch in followed.watches[kind]:
                self._watches.add(watch)
        fresh = followed.synced - followed.swept
        if fresh and followed.synced >= set(followed.watches):
            followed.swept |= fresh
            followed.ears.sweep(fresh, self._applications_of(server))

    def tell(self, now: float) -> float:
        """Tell what was heard and is due at `now`, by time.monotonic(). Returns the seconds until more is."""
        return min((followed.ears.tell(now) for followed in list(self._followed.values())), default=inf)

    def leave(self, shard: str) -> None:
        """Follow what belongs to this lease no longer."""
        followed = self._followed.pop(shard, None)
        for watch in [w for of_kind in followed.watches.values() for w in of_kind] if followed else ():
            self._watches.remove(watch)

    def servers(self) -> list[str]:
        """The clusters that are followed, in part or whole."""
        return sorted({followed.server for followed in list(self._followed.values())})

    def clusters(self, reach: Reach) -> list[ClusterSummary]:
        """What the metrics show of the clusters that are followed; `reach` knows which of them answer."""
        found = []
        for server in self.servers():
            answer = reach.of(server)
            if answer:
                mine = [followed for followed in list(self._followed.values()) if followed.server == server]
                objects, kinds = sum(len(f.ears) for f in mine), sum(len(f.watches) for f in mine)
                found.append(ClusterSummary(server, server, *answer, objects=objects, kinds=kinds))
        return found

    def _watches_of(self, client: ClusterClient, followed: Followed, kind: tuple[str, str]) -> list[Watch]:
        """The watches of a kind, in the namespaces that the cluster's Secret names; none where it may not be seen."""
        resource, limits = client.resource_for(*kind), client.connection
        gvk = GVK(kind[0], resource.versions[0], kind[1])
        if not resource.namespaced and not limits.cluster_resources:
            followed.synced.add(kind)
            return []

        def on_event(event: Event) -> None:
            if event.type == "SYNCED":
                followed.synced.add(kind)
            else:
                followed.ears.on_event(event)

        return watches_in(
            limits.namespaces if resource.namespaced else (),
            client,
            gvk,
            on_event,
            known=partial(followed.ears.known, gvk),
            labels=WATCH_LABEL,
            on_error=lambda error: logger.warning("watch of %s: %s", gvk.kind, error),
        )

    def _applications_of(self, server: str) -> list[str]:
        """The applications whose destination is this cluster: what other clusters' have is none of its business."""
        found = []
        for app, obj in self._state.apps.each():
            destination = (obj.get("spec") or {}).get("destination") or {}
            try:
                named = self._clusters.find(
                    Destination(server=destination.get("server") or "", name=destination.get("name") or "")
                )
            except GitOpsError:
                continue
            if named.server == server:
                found.append(app)
        return found

    def _owner(self, obj: Object) -> str:
        """The application of an object as `namespace/name`, "" for none."""
        config = self._config()
        instance = owner(obj, config.tracking, config.instance_label, config.installation_id)
        if not instance:
            return ""
        where, _, name = instance.partition("_")
        return f"{where}/{name}" if name else f"{self._settings.namespace}/{instance}"
