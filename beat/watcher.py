"""The watcher: follows Applications, the control namespace's configuration, and managed objects of all clusters.

Where beats share the clusters (`sharing`), it leaves the managed objects to those that hold their shards.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial

from beat import threads
from beat.applications import ApplicationEars
from beat.applicationsets import ApplicationSetEars
from beat.configuration import ConfigurationEars
from beat.managed import ManagedEars
from beat.namespaces import watches_in
from beat.reach import Reach
from gitops.cluster import Watch, Watches
from gitops.cluster.watch import Event
from gitops.model.credentials import SECRET_TYPE
from gitops.model.names import GROUP, VERSION
from gitops.model.objects import GVK
from gitops.observe import ClusterSummary
from gitops.observe.requests import api_observer
from gitops.reconcile.clusters import ClusterRegistry
from gitops.reconcile.control import NOTIFICATIONS_SECRET, Control
from gitops.settings import Settings, settings
from gitops.state import State
from gitops.state.lease import Fence

logger = logging.getLogger("gitops.beat")

APPLICATION = GVK(GROUP, VERSION, "Application")
APPLICATION_SET = GVK(GROUP, VERSION, "ApplicationSet")
#: Seconds between two looks at which kinds are in use.
KINDS_EVERY = 0.5


class Watcher:
    """Runs all watches in one thread, and in another adds those of kinds that come into use."""

    def __init__(self, state: State, settings: Settings, clusters: ClusterRegistry, control: Control) -> None:
        self._state, self._settings, self._clusters, self._control = state, settings, clusters, control
        self._fence: Fence | None = None
        self._stopped = threading.Event()
        self._watches = Watches()
        self._managed = self._managed_ears()
        self._threads: list[threading.Thread] = []
        self._reach = Reach(clusters.by_server)
        self.applications = ApplicationEars(state)
        self.sets = ApplicationSetEars(state, settings.poll_interval)
        self.configuration = ConfigurationEars(state, control)

    def _managed_ears(self) -> ManagedEars:
        config = lambda: self.configuration.config  # noqa: E731 - the ears of the configuration are made anew
        return ManagedEars(self._state, self._settings, self._clusters, self._watches, config)

    @classmethod
    def build(cls, state: State) -> Watcher:
        """A watcher of the control cluster that the settings name."""
        from gitops.reconcile.clusters import registry

        clusters, control = registry(settings(), state, api_observer)
        return cls(state, settings(), clusters, control)

    def start(self, fence: Fence) -> None:
        """List everything and follow it, from threads of its own, for as long as this lease stands."""
        self._stopped.clear()
        self._watches, self._fence = Watches(), fence
        self._managed = self._managed_ears()
        self._follow_control()
        reach = partial(self._reach.run, self._managed.servers, self._stopped)
        self._threads = threads.begin({"watch": self._watches.run, "kinds": self._follow_kinds, "reach": reach})

    def stop(self) -> None:
        """Follow nothing any more."""
        self._stopped.set()
        self._watches.stop()
        threads.join(self._threads)
        self._threads = []

    def clusters(self) -> list[ClusterSummary]:
        """What the metrics show of the clusters that are followed."""
        return self._managed.clusters(self._reach)

    # --- the control namespace ---

    def _follow_control(self) -> None:
        client, namespace = self._clusters.control, self._settings.namespace
        applications = self.applications = ApplicationEars(self._state, self._fence)
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
                if not self._settings.watch_shards:
                    for server, kinds in self._state.live.kinds().items():
                        self._managed.follow(server, server, kinds, self._fence)
            except Exception as error:
                logger.warning("cannot look up which kinds to follow: %s", error)
