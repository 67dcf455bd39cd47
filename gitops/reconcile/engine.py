"""The engine of one process: its connections, and the steps that the tasks call."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass, field
from typing import Any, Protocol

from gitops.cluster import ApiError, ClusterClient, Connection, UnknownKind
from gitops.errors import GitOpsError, ProjectDenied, SyncError
from gitops.model.application import Application
from gitops.model.names import API_VERSION, GROUP, IN_CLUSTER_SERVER, REFRESH
from gitops.model.objects import GVK, Manifest, Object, ObjectKey
from gitops.model.project import AppProject
from gitops.observe import BackgroundWriter, EventRecorder, logs
from gitops.observe.requests import git_request
from gitops.project import check_source, validate_application
from gitops.reconcile import applicationsets as generating
from gitops.reconcile import compare as comparing
from gitops.reconcile import fetch as fetching
from gitops.reconcile import operate as operating
from gitops.reconcile.answers import Answers
from gitops.reconcile.clusters import ClusterRegistry, registry
from gitops.reconcile.control import Control, ControlConfig
from gitops.reconcile.notices import Notices
from gitops.reconcile.refs import RefsReader
from gitops.reconcile.share import Shares
from gitops.reconcile.sources import Desires, Target
from gitops.settings import Settings
from gitops.source import Renderer
from gitops.source.access import Bounds, RemoteFiles
from gitops.source.charts import ChartRepositories
from gitops.source.git import Mirrors
from gitops.source.options import limits_of, plugins_of, renderer_of
from gitops.state import Entry, State
from gitops.state.queue import FETCH, GENERATE, Rank

logger = logging.getLogger("gitops.engine")


class StoreResult(Protocol):
    """Answers the one who waits for a task's result."""

    def __call__(self, task_id: str, outcome: dict[str, Any], *, failed: bool) -> None: ...


@dataclass
class Engine:
    """Everything that a step works with."""

    settings: Settings
    state: State
    clusters: ClusterRegistry
    control: Control
    renderer: Renderer
    refs: RefsReader
    events: EventRecorder
    store_result: StoreResult
    notices: Notices
    answers: Answers
    shares: Shares
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    #: How the operation that this step moved stands now: its phase and why. A step begins with none.
    outcome: str = ""
    #: Whether the comparison is to follow the fetch that this step was.
    follow: bool = False
    #: The headers that carry this step's trace to what follows it.
    cause: dict[str, str] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        settings: Settings,
        state: State,
        store_result: StoreResult,
        renderer: Renderer | None = None,
        connection: Connection | None = None,
    ) -> Engine:
        """The engine as the settings say; `renderer` is one that runs already. Nothing is connected to yet."""
        answers = Answers()
        clusters, control = registry(settings, state, answers.observer, connection)
        name = f"{socket.gethostname()}:{os.getpid()}"

        def write_event(event: Object) -> None:
            try:
                _write_event(clusters.control, Manifest.of(event), first=event["count"] == 1)
            except GitOpsError as error:
                name = event["metadata"]["name"]
                logs.event(logger, f"cannot write Event {name}: {error}", logging.WARNING)

        return cls(
            settings=settings,
            state=state,
            clusters=clusters,
            control=control,
            renderer=renderer or renderer_of(settings),
            refs=RefsReader(state, settings.poll_interval, name),
            events=EventRecorder(BackgroundWriter(write_event), instance=name),
            store_result=store_result,
            notices=Notices(
                lambda: control.get().notifications, state.notices, project=lambda app: control.get().project_of(app)
            ),
            answers=answers,
            shares=Shares(state.workers.busy),
            name=name,
        )

    # --- the steps ---

    def fetch(self, entry: Entry) -> None:
        """Desired state: resolve, render what changed. `follow` says whether the comparison is to follow.

        What it finds new in a repository is told to others at the end of the caller's `refs.telling()`.
        """
        self._begins(entry)
        fetching.fetch(self, entry)

    def compare(self, entry: Entry) -> None:
        """Compare with the cluster, write the status, start what the policy asks for."""
        self._begins(entry)
        comparing.compare(self, entry)

    def operate(self, entry: Entry) -> None:
        """Move the operation on by one step."""
        self._begins(entry)
        with self.refs.telling():
            operating.operate(self, entry)

    def generate(self, entry: Entry) -> None:
        """Make an ApplicationSet's Applications as it says."""
        self._begins(entry)
        with self.refs.telling():
            generating.reconcile(self, entry.app, entry.lock)

    def _begins(self, entry: Entry) -> None:
        self.control.told(entry.config)
        self.shares.seen(entry.app)

    # --- what people ask for ---

    def request_sync(self, app_id: str, *, waiter: str = "", by: str = "task", **options: Any) -> None:
        """Write the operation to the CR, as Argo CD's API does; the outcome is stored for the task `waiter`.

        Raises SyncError where the application does not exist or another operation is in progress.
        """
        operating.request(self, app_id, by=by, waiter=waiter, **options)

    def request_refresh(self, app_id: str, *, hard: bool = False) -> None:
        """Look at an application's repositories and objects anew. `hard` renders and reads everything again.

        Raises SyncError where the application does not exist.
        """
        if self.application(app_id, fresh=hard) is None:
            raise SyncError(f"Application {app_id} does not exist")
        if hard:
            # It has to outlive whatever happens to Redis and the workers until everything was read again.
            namespace, name = app_id.split("/", 1)
            patch = {"metadata": {"annotations": {REFRESH: "hard"}}}
            changed = self.clusters.control.merge_patch(ObjectKey(GROUP, "Application", namespace, name), patch)
            self.state.apps.put(app_id, changed)
        else:
            # Not done: so the comparison follows the fetch even where that finds nothing new.
            self.state.apps.set_fields(app_id, done="")
        self.state.look_anew(app_id)
        self.state.queue.want(FETCH, app_id, Rank.PERSON)

    # --- what the steps share ---

    def application(self, app_id: str, *, fresh: bool = False) -> Object | None:
        """The Application's CR: as the watch keeps it in Redis, else (or if `fresh`) from the API server."""
        return self.known(app_id, None if fresh else self.state.apps.get(app_id))

    def known(self, app_id: str, obj: Object | None) -> Object | None:
        """The Application's CR as Redis gave it, else from the API server."""
        if obj is None:
            namespace, name = app_id.split("/", 1)
            obj = self.clusters.control.get(ObjectKey(GROUP, "Application", namespace, name))
            if obj is not None:
                self.state.apps.put(app_id, obj)
        return obj

    def patch(self, app: Application, patch: Object) -> Object | None:
        """Write to the Application's CR; None where it is gone. Redis keeps the answer."""
        key = ObjectKey(GROUP, "Application", app.namespace, app.name)
        changed = self.clusters.control.merge_patch(key, {**patch, "apiVersion": API_VERSION, "kind": "Application"})
        self.state.apps.put(app.id, changed)
        self.notices.tell(changed)
        return changed

    def validate(self, app: Application, project: AppProject, config: ControlConfig) -> None:
        """Raise InvalidSpecError or ProjectDenied before anything is read or written for the application."""
        clusters = self.clusters.update(self.control)
        if clusters.broken:
            # A Secret that is there and cannot be used says why, instead of "no such cluster".
            clusters.find(app.spec.destination)
        validate_application(app, project, clusters.all(), control_namespace=self.settings.namespace)

    def server_of(self, app: Application) -> str:
        """The URL of the destination's cluster; that of the control cluster where the destination names none."""
        try:
            return self.clusters.update(self.control).find(app.spec.destination).server
        except GitOpsError:
            # Whoever goes on to the cluster says so.
            return IN_CLUSTER_SERVER

    def desires(self, app: Application, project: AppProject, config: ControlConfig) -> Desires:
        """What makes the application's desired state, with its project's credentials and limits."""

        def allowed(url: str) -> bool:
            try:
                check_source(project, url)
            except ProjectDenied:
                return False
            return True

        root, bounds = self.settings.data_dir, Bounds.of(self.settings)
        return Desires(
            state=self.state,
            mirrors=Mirrors(
                root / "git",
                config.repositories,
                allowed=allowed,
                project=project.name,
                bounds=bounds,
                observer=git_request,
            ),
            charts=ChartRepositories(
                root / "charts", config.repositories, allowed=allowed, project=project.name, bounds=bounds
            ),
            files=RemoteFiles(
                root / "files", config.repositories, allowed=allowed, project=project.name, bounds=bounds
            ),
            renderer=self.renderer,
            refs=self.refs,
            namespace=self.settings.namespace,
            limits=limits_of(self.settings),
            memory_mib=self.settings.child_hard_limit_mib,
            plugins=plugins_of(self.settings),
        )

    def target(self, app: Application, config: ControlConfig) -> Target:
        """The destination cluster as rendering needs to know it."""
        client = self.clusters.update(self.control).client(app.spec.destination)

        def scope(gvk: GVK) -> bool | None:
            try:
                return client.resource_for(gvk.group, gvk.kind).namespaced
            except UnknownKind:
                return None

        return Target(scope, client.discovery.server_version, lambda: tuple(client.discovery.api_versions()))

    def report(self, app_id: str, task: str, error: GitOpsError) -> None:
        """A step failed as a whole: say so in the log and in the Application's conditions."""
        logs.event(logger, f"{task} failed: {error}", logging.ERROR, app=app_id)
        if task == GENERATE:
            generating.report(self, app_id, error)
        else:
            comparing.report(self, app_id, error)


def _write_event(client: ClusterClient, event: Manifest, *, first: bool) -> None:
    """Create an Event, or count it on the one that is there. A create costs the API server half of an apply."""
    if first:
        try:
            client.create(event)
            return
        except ApiError as error:
            if not error.exists:
                raise
    client.apply(event)
