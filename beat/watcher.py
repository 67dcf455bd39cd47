"""The watcher: follows Applications, the control namespace's configuration, and managed objects of all clusters."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from beat.applications import ApplicationEars
from beat.applicationsets import ApplicationSetEars
from beat.configuration import ConfigurationEars
from beat.namespaces import watches_in
from beat.objects import ObjectEars
from beat.reach import Reach
from gitops.cluster import ClusterClient, Watch, Watches
from gitops.cluster.watch import Event
from gitops.errors import GitOpsError
from gitops.model.credentials import SECRET_TYPE
from gitops.model.names import GROUP, VERSION, WATCH_LABEL
from gitops.model.objects import GVK, Object
from gitops.model.tracking import owner
from gitops.observe import ClusterSummary
from gitops.observe.requests import api_observer
from gitops.reconcile.clusters import ClusterRegistry
from gitops.reconcile.control import NOTIFICATIONS_SECRET, Control
from gitops.settings import Settings, settings
from gitops.state import State

logger = logging.getLogger("gitops.beat")

APPLICATION = GVK(GROUP, VERSION, "Application")
APPLICATION_SET = GVK(GROUP, VERSION, "ApplicationSet")
#: Kinds without marks of ours (specs section 3): all of them are followed, and none is an application's by its labels.
UNMARKED = {("apiextensions.k8s.io", "CustomResourceDefinition")}
#: Seconds between two looks at which kinds are in use.
KINDS_EVERY = 0.5
#: Seconds until a kind that the cluster did not serve is looked for again.
ABSENT_SECONDS = 5.0


@dataclass
class Followed:
    """One cluster that is followed."""

    ears: ObjectEars
    watches: dict[tuple[str, str], list[Watch]] = field(default_factory=dict)
    synced: set[tuple[str, str]] = field(default_factory=set)
    swept: set[tuple[str, str]] = field(default_factory=set)
    #: Kinds that the cluster does not serve: when each is looked for again (time.monotonic()).
    absent: dict[tuple[str, str], float] = field(default_factory=dict)


class Watcher:
    """Runs all watches in one thread, and in another adds those of kinds that come into use."""

    def __init__(self, state: State, settings: Settings, clusters: ClusterRegistry, control: Control) -> None:
        self._state, self._settings, self._clusters, self._control = state, settings, clusters, control
        self._followed: dict[str, Followed] = {}
        self._stopped = threading.Event()
        self._watches = Watches()
        self._threads: list[threading.Thread] = []
        self._reach = Reach(clusters.by_server)
        self.applications = ApplicationEars(state)
        self.sets = ApplicationSetEars(state, settings.poll_interval)
        self.configuration = ConfigurationEars(state, control)

    @classmethod
    def build(cls, state: State) -> Watcher:
        """A watcher of the control cluster that the settings name."""
        from gitops.reconcile.clusters import registry

        clusters, control = registry(settings(), state, api_observer)
        return cls(state, settings(), clusters, control)

    def start(self) -> None:
        """List everything and follow it, from threads of its own."""
        self._stopped.clear()
        self._watches = Watches()
        self._followed = {}
        self._follow_control()
        reach = partial(self._reach.run, lambda: list(self._followed), self._stopped)
        for name, target in (("watch", self._watches.run), ("kinds", self._follow_kinds), ("reach", reach)):
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Follow nothing any more."""
        self._stopped.set()
        self._watches.stop()
        for thread in self._threads:
            thread.join(timeout=5)
        self._threads = []

    def clusters(self) -> list[ClusterSummary]:
        """What the metrics show of the clusters that are followed."""
        found = []
        for server, followed in list(self._followed.items()):
            answer = self._reach.of(server)
            if answer:
                kinds = len(followed.watches)
                found.append(ClusterSummary(server, server, *answer, objects=len(followed.ears), kinds=kinds))
        return found

    # --- the control namespace ---

    def _follow_control(self) -> None:
        client, namespace = self._clusters.control, self._settings.namespace
        applications = self.applications = ApplicationEars(self._state)
        sets = self.sets = ApplicationSetEars(self._state, self._settings.poll_interval)
        self.configuration = ConfigurationEars(self._state, self._control)

        def heard(event: Event) -> None:
            applications.on_event(event)
            sets.on_application(event)

        served = self._settings.served_namespaces
        for watch in watches_in(served, client, APPLICATION, heard, known=applications.known, metadata_only=False):
            self._watches.add(watch)
        self._watches.add(Watch(client, APPLICATION_SET, sets.on_event, namespace=namespace, known=sets.known))
        changed = self._configuration_changed
        self._watches.add(Watch(client, GVK(GROUP, VERSION, "AppProject"), changed, namespace=namespace))
        self._watches.add(Watch(client, GVK("", "v1", "Secret"), changed, labels=SECRET_TYPE, namespace=namespace))
        self._watches.add(Watch(client, GVK("", "v1", "ConfigMap"), changed, namespace=namespace))
        # It carries no such label.
        named = f"metadata.name={NOTIFICATIONS_SECRET}"
        self._watches.add(Watch(client, GVK("", "v1", "Secret"), changed, fields=named, namespace=namespace))

    def _configuration_changed(self, event: Event) -> None:
        if self.configuration.on_event(event) and event.key.kind != "ConfigMap":
            self.sets.look_soon()

    # --- managed objects ---

    def _follow_kinds(self) -> None:
        while not self._stopped.wait(KINDS_EVERY):
            try:
                self.configuration.tick(time.time())
                self.sets.tick(time.time())
                self._clusters.update(self._control)
                for server, kinds in self._state.live.kinds().items():
                    self._follow(server, kinds)
            except Exception as error:
                logger.warning("cannot look up which kinds to follow: %s", error)

    def _follow(self, server: str, kinds: set[tuple[str, str]]) -> None:
        followed = self._followed.get(server)
        if followed is None:
            followed = self._followed[server] = Followed(ObjectEars(self._state, server, self._owner()))
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
            followed.ears.sweep(fresh)

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

    def _owner(self) -> Callable[[Object], str]:
        namespace = self._settings.namespace

        def find(obj: Object) -> str:
            config = self.configuration.config
            instance = owner(obj, config.tracking, config.instance_label, config.installation_id)
            if not instance:
                return ""
            where, _, name = instance.partition("_")
            return f"{where}/{name}" if name else f"{namespace}/{instance}"

        return find
