"""Operations on the real API server, moved as a worker moves them; their order is read from its audit log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from gitops.cluster import ClusterClient, Connection, UnknownKind
from gitops.model.application import Application, Operation
from gitops.model.artifact import Artifact
from gitops.model.objects import Manifest, Object, ObjectKey
from gitops.model.tracking import stamp
from gitops.sync import Context, Done, OperationRecord, Pair, Parked, advance, plan
from testbed.audit import AuditLog
from testbed.controlplane import ControlPlane
from testbed.processes import wait_until

CLUSTER_SCOPED = ("Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "ClusterDummy")
WRITES = {"create", "patch", "update", "delete"}


@dataclass
class Syncer:
    """Syncs objects into one namespace, and remembers what it has synced before."""

    plane: ControlPlane
    client: ClusterClient
    namespace: str
    known: dict[ObjectKey, Manifest] = field(default_factory=dict)
    record: OperationRecord | None = None
    mark: int = 0
    respect_ignored: Callable[[Object, Object], Object] | None = None
    #: What the comparison found to be in sync.
    in_sync: Callable[[ObjectKey], bool] = lambda key: False

    def app(self, options: list[str] | None = None, **policy: Any) -> Application:
        return Application.from_object(
            {
                "metadata": {"name": "app", "namespace": "argocd", "uid": "u"},
                "spec": {
                    "source": {"repoURL": "https://example.com/r.git", "path": "."},
                    "destination": {"server": "https://kubernetes.default.svc", "namespace": self.namespace},
                    "syncPolicy": {"syncOptions": options or [], **policy},
                },
            }
        )

    def manifests(self, objects: list[Object]) -> tuple[Manifest, ...]:
        """The objects as the source room hands them over: in their namespace, with tracking marks."""
        made = []
        for obj in objects:
            meta = obj.setdefault("metadata", {})
            if obj["kind"] not in CLUSTER_SCOPED:
                meta.setdefault("namespace", self.namespace)
            stamp(obj, instance="app", destination_namespace=self.namespace)
            made.append(Manifest.of(obj))
        return tuple(made)

    def sync(
        self,
        *objects: Object,
        options: list[str] | None = None,
        policy: dict[str, Any] | None = None,
        react: Callable[[Syncer], None] = lambda syncer: None,
        read_live: bool = True,
        **operation: Any,
    ) -> Done:
        """Sync to exactly these objects; `react` is called whenever the operation is parked."""
        app = self.app(options, **(policy or {}))
        artifact = Artifact("a", ("Directory",), self.manifests(list(objects)))
        wanted = {manifest.key: manifest for manifest in artifact.objects}
        now = datetime.now(UTC)
        asked = Operation.model_validate({"sync": operation})
        assert asked.sync is not None
        self.record = OperationRecord.begin(asked, app, artifact="a", revisions=("0123456789",), now=now)
        pairs = [Pair(m, self._live(m) if read_live else None, self.in_sync(m.key)) for m in artifact.objects]
        pairs += [Pair(None, self._live(m)) for key, m in self.known.items() if key not in wanted]
        self.mark = AuditLog(self.plane.audit_log).mark()
        self.record.plan = plan(pairs, app, asked.sync, started_at=self.record.started, revision="0123456789")
        self.known |= wanted
        return self.finish(artifact, react)

    def finish(self, artifact: Artifact, react: Callable[[Syncer], None]) -> Done:
        """Step until it is done, resting as JSON between any two steps."""
        deadline = time.monotonic() + 60
        assert self.record is not None
        while time.monotonic() < deadline:
            record = OperationRecord.from_json(self.record.to_json())
            context = Context(client=self.client, wave_delay=0.0, respect_ignored=self.respect_ignored)
            outcome = advance(record, artifact, context)
            self.record = record
            if isinstance(outcome, Done):
                return outcome
            if isinstance(outcome, Parked):
                react(self)
                self._until_something_changes(outcome)
        raise AssertionError(f"not done in time: {self.record.message}")

    def _live(self, manifest: Manifest) -> Object | None:
        try:
            return self.client.get(manifest.key, version=manifest.version)
        except UnknownKind:
            return None

    def _until_something_changes(self, parked: Parked) -> None:
        """What the watcher does: go on when an awaited object changes, or the time has come."""
        seen = {key: self._version(key) for key in parked.waiting_for}
        begun = time.time()

        def changed() -> bool:
            due = parked.until is not None and time.time() >= min(parked.until, begun + 1.0)
            return due or any(self._version(key) != version for key, version in seen.items())

        wait_until(changed, 30, "a change of an awaited object")

    def _version(self, key: ObjectKey) -> str | None:
        live = self.client.get(key, metadata_only=True)
        return live["metadata"]["resourceVersion"] if live else None

    def get(self, kind: str, name: str, group: str = "", namespace: str | None = None) -> Object | None:
        where = self.namespace if namespace is None else namespace
        return self.client.get(ObjectKey(group, kind, where, name))

    def rows(self) -> dict[str, dict[str, Any]]:
        """`status.operationState.syncResult.resources` by name."""
        assert self.record is not None
        return {row["name"]: row for row in self.record.to_status()["syncResult"]["resources"]}

    def writes(self, namespace: str | None = None) -> list[tuple[str, str, str]]:
        """(verb, resource, name) of what the last sync wrote, from the audit log, in order; no dry runs."""
        found = []
        for event in AuditLog(self.plane.audit_log).events(self.mark):
            target = event.get("objectRef") or {}
            mine = target.get("namespace") in (self.namespace, namespace) or target.get("name") == self.namespace
            dry = "dryRun" in event["requestURI"]
            if event["verb"] in WRITES and mine and not dry and event["userAgent"].startswith("gitops"):
                found.append((event["verb"], target["resource"], target.get("name", "")))
        return found


@pytest.fixture(scope="session")
def client(control_plane: ControlPlane) -> ClusterClient:
    return ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig))


@pytest.fixture
def syncer(control_plane: ControlPlane, client: ClusterClient, namespace: str) -> Syncer:
    """Syncs into a namespace of this test's own."""
    return Syncer(control_plane, client, namespace)
