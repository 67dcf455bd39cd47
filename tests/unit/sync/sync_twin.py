"""An API server in memory, and a driver that moves operations as a worker does."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gitops.cluster import UnknownKind
from gitops.cluster.errors import status_error
from gitops.model.application import Application, Operation
from gitops.model.artifact import Artifact
from gitops.model.health import DEGRADED, HEALTHY, PROGRESSING, Health
from gitops.model.names import FIELD_MANAGER
from gitops.model.objects import Manifest, Object, ObjectKey, key_of
from gitops.sync import Context, Done, OperationRecord, Pair, Parked, advance, plan

START = 1_700_000_000.0


class Killed(BaseException):
    """The worker dies here."""


def refusal(code: int, reason: str, message: str = "") -> Exception:
    return status_error("asked", {"kind": "Status", "code": code, "reason": reason, "message": message or reason})


class FakeCluster:
    """Objects by key, with UIDs, resourceVersions, finalizers and preconditions as the API server has them.

    `log` has one entry for each write with an effect: (verb, kind, name).
    """

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, Object] = {}
        self.log: list[tuple[str, str, str]] = []
        self.requests: list[tuple[str, ObjectKey]] = []
        self.refuse: dict[str, str] = {}
        #: Kinds that exist only once a CRD that names them is there.
        self.late_kinds: set[str] = set()
        #: Called before and after each request; may raise Killed.
        self.fuse: Callable[[], None] = lambda: None
        self._version = 0
        self._lock = threading.RLock()

    # --- what people and controllers do ---

    def put(self, obj: Object, **meta: Any) -> Object:
        """An object as somebody else made it."""
        made = copy.deepcopy(obj)
        made.setdefault("metadata", {}).update(meta)
        return self._store(key_of(made), made)

    def names(self, kind: str = "") -> list[str]:
        return sorted(key.name for key in self.objects if not kind or key.kind == kind)

    # --- the client's side ---

    def get(
        self, key: ObjectKey, *, version: str = "", cached: bool = False, metadata_only: bool = False
    ) -> Object | None:
        with self._request("get", key):
            return copy.deepcopy(self.objects.get(key))

    def apply(
        self, manifest: Manifest, *, force: bool = True, dry_run: bool = False, field_manager: str = FIELD_MANAGER,
        validate: str = "Strict", metadata_only: bool = False, subresource: str = "",
    ) -> Object:  # fmt: skip
        with self._request("dry-run" if dry_run else "apply", manifest.key):
            self._check(manifest.key, dry_run)
            made = manifest.load()
            present = self.objects.get(manifest.key)
            if present is not None:
                kept = {
                    k: v for k, v in present["metadata"].items() if k in ("uid", "resourceVersion", "deletionTimestamp")
                }
                made["metadata"] = {**made["metadata"], **kept}
                if "status" in present:
                    made["status"] = present["status"]
                if made == present:
                    return copy.deepcopy(present)
            if dry_run:
                return made
            self.log.append(("apply" if present is not None else "create", manifest.key.kind, manifest.key.name))
            return copy.deepcopy(self._store(manifest.key, made))

    def create(
        self, manifest: Manifest, *, dry_run: bool = False, field_manager: str = "", validate: str = "Strict"
    ) -> Object:
        with self._request("create", manifest.key):
            if manifest.key in self.objects:
                raise refusal(409, "AlreadyExists")
            self._check(manifest.key, dry_run)
            self.log.append(("create", manifest.key.kind, manifest.key.name))
            return copy.deepcopy(self._store(manifest.key, manifest.load()))

    def replace(
        self,
        manifest: Manifest,
        *,
        dry_run: bool = False,
        field_manager: str = "",
        validate: str = "",
        subresource: str = "",
    ) -> Object:
        with self._request("replace", manifest.key):
            present = self.objects.get(manifest.key)
            if present is None:
                raise refusal(404, "NotFound")
            made = manifest.load()
            if made["metadata"].get("resourceVersion") != present["metadata"]["resourceVersion"]:
                raise refusal(409, "Conflict")
            made["metadata"]["uid"] = present["metadata"]["uid"]
            self.log.append(("replace", manifest.key.kind, manifest.key.name))
            return copy.deepcopy(self._store(manifest.key, made))

    def json_patch(self, key: ObjectKey, patch: list[Object], **_: Any) -> Object:
        """Knows the one patch that is made of a hook: test and remove a finalizer."""
        with self._request("patch", key):
            present = self.objects.get(key)
            if present is None:
                raise refusal(404, "NotFound")
            index = int(patch[0]["path"].rpartition("/")[2])
            finalizers = present["metadata"].get("finalizers") or []
            if index >= len(finalizers) or finalizers[index] != patch[0]["value"]:
                raise refusal(422, "Invalid")
            del finalizers[index]
            self._store(key, present)
            self._collect(key)
            return copy.deepcopy(present)

    def delete(
        self, key: ObjectKey, *, version: str = "", uid: str | None = None, resource_version: str | None = None,
        propagation: str = "Foreground", dry_run: bool = False,
    ) -> bool:  # fmt: skip
        with self._request("delete", key):
            present = self.objects.get(key)
            if present is None:
                return False
            if uid and present["metadata"]["uid"] != uid:
                raise refusal(409, "Conflict")
            if "deletionTimestamp" not in present["metadata"]:
                self.log.append(("delete", key.kind, key.name))
                present["metadata"]["deletionTimestamp"] = "2023-11-14T22:13:20Z"
                self._collect(key)
            return True

    def resource_for(self, group: str, kind: str, version: str | None = None) -> Any:
        raise AssertionError("no step asks for discovery")

    # --- inside ---

    def _request(self, verb: str, key: ObjectKey) -> Any:
        cluster = self

        class Request:
            def __enter__(self) -> None:
                cluster.fuse()
                cluster._lock.acquire()
                cluster.requests.append((verb, key))

            def __exit__(self, kind: Any, *_: Any) -> None:
                cluster._lock.release()
                if kind is None:
                    cluster.fuse()

        return Request()

    def _check(self, key: ObjectKey, dry_run: bool) -> None:
        if key.kind in self.late_kinds:
            raise UnknownKind(key.group, "v1", key.kind)
        if key.name in self.refuse and not dry_run:
            raise refusal(403, "Forbidden", self.refuse[key.name])
        if key.name in self.refuse and self.refuse[key.name] == "invalid":
            raise refusal(422, "Invalid", "invalid")

    def _store(self, key: ObjectKey, obj: Object) -> Object:
        with self._lock:
            self._version += 1
            obj["metadata"].setdefault("uid", f"uid-{self._version}")
            obj["metadata"]["resourceVersion"] = str(self._version)
            self.objects[key] = obj
            return obj

    def _collect(self, key: ObjectKey) -> None:
        present = self.objects.get(key)
        if present and present["metadata"].get("deletionTimestamp") and not present["metadata"].get("finalizers"):
            del self.objects[key]


def health(obj: Object) -> Health | None:
    """ConfigMaps have no health; everything else says in `status.health` how it is."""
    if obj["kind"] in ("ConfigMap", "Namespace", "CustomResourceDefinition"):
        return None
    word = (obj.get("status") or {}).get("health", PROGRESSING)
    return Health(word, f"it is {word}")


@dataclass
class World:
    """A cluster, an Application, and its one operation."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    app: Application = field(default_factory=lambda: application())  # noqa: PLW0108 - defined below
    now: float = START
    objects: list[Object] = field(default_factory=list)
    record: OperationRecord = field(init=False)
    kept: bytes = b""
    approved: str = ""
    wave_delay: float = 0.0
    terminate: bool = False
    permits: Callable[[ObjectKey, str], str] | None = None
    shared: list[str] = field(default_factory=list)
    #: Names of objects that are as the last apply of the same manifest left them.
    unchanged: set[str] = field(default_factory=set)

    def begin(self, *objects: Object, **sync: Any) -> World:
        """Start an operation that is to bring about these objects."""
        self.objects = list(objects)
        retry = sync.pop("retry", {})
        operation = Operation.model_validate({"sync": sync, "retry": retry})
        started = datetime.fromtimestamp(self.now, UTC)
        self.record = OperationRecord.begin(operation, self.app, artifact="a", revisions=("0123456789",), now=started)
        self.kept = self.record.to_json()
        return self

    @property
    def artifact(self) -> Artifact:
        return Artifact("a", ("Directory",), tuple(Manifest.of(obj) for obj in self.objects))

    def pairs(self) -> Iterator[Pair]:
        wanted = {m.key: m for m in self.artifact.objects}
        for key, manifest in wanted.items():
            yield Pair(manifest, self.cluster.objects.get(key), unchanged=key.name in self.unchanged)
        for key, live in list(self.cluster.objects.items()):
            if key not in wanted and (live["metadata"].get("labels") or {}).get("ours"):
                yield Pair(None, live)

    def context(self) -> Context:
        return Context(
            client=self.cluster,  # type: ignore[arg-type]
            save=self._save,
            health=health,
            deletion_approved=self.approved,
            terminate=self.terminate,
            parallel=1,
            wave_delay=self.wave_delay,
            now=lambda: self.now,
        )

    def _save(self, record: OperationRecord) -> None:
        self.kept = record.to_json()

    def step(self) -> Any:
        """One task call: what rests is read, one step is made, what it gives rests again."""
        record = OperationRecord.from_json(self.kept)
        if record.needs_plan:
            assert record.operation.sync is not None
            record.plan = plan(
                self.pairs(),
                self.app,
                record.operation.sync,
                started_at=record.started,
                revision="0123456789",
                permits=self.permits,
                shared=self.shared,
            )
        outcome = advance(record, self.artifact, self.context())
        self._save(record)
        self.record = record
        return outcome

    def run(self, react: Callable[[World], None] = lambda world: None, limit: int = 200) -> Done:
        """Step until it is done. While it is parked, `react` is called and time goes on to when it is to be woken."""
        for _ in range(limit):
            outcome = self.step()
            if isinstance(outcome, Done):
                return outcome
            if isinstance(outcome, Parked):
                react(self)
                self.now = max(self.now, outcome.until or self.now)
        raise AssertionError(f"not done after {limit} steps: {self.record.message}")

    def results(self) -> dict[str, tuple[str, str]]:
        """(status, message) of each object by name, as the CR shows them."""
        rows = self.record.to_status()["syncResult"]["resources"]
        return {row["name"]: (row["status"], row["message"]) for row in rows}


def application(options: list[str] | None = None, **spec: Any) -> Application:
    policy = {"syncOptions": options or [], **spec.pop("syncPolicy", {})}
    return Application.from_object(
        {
            "metadata": {"name": "app", "namespace": "argocd", "uid": "u", **spec.pop("metadata", {})},
            "spec": {
                "source": {"repoURL": "https://example.com/repo.git", "path": "."},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "prod"},
                "syncPolicy": policy,
                **spec,
            },
            "status": {},
        }
    )


_API_VERSIONS = {
    "Deployment": "apps/v1",
    "Job": "batch/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "Widget": "x.io/v1",
}
_CLUSTER_SCOPED = ("Namespace", "CustomResourceDefinition", "ClusterRole")


def thing(
    kind: str, name: str, wave: object = None, hook: str = "", policy: str = "", options: str = "", **more: Any
) -> Object:
    """An object of the group that the kind belongs to, with the annotations of a sync."""
    given = {"sync-wave": wave, "hook": hook, "hook-delete-policy": policy, "sync-options": options}
    annotations = {f"argocd.argoproj.io/{key}": str(value) for key, value in given.items() if value not in (None, "")}
    meta: Object = {"name": name, "labels": {"ours": "yes"}, "annotations": annotations}
    if kind not in _CLUSTER_SCOPED:
        meta["namespace"] = "prod"
    return {"apiVersion": _API_VERSIONS.get(kind, "v1"), "kind": kind, "metadata": meta, **more}


def everything_healthy(world: World) -> None:
    for obj in world.cluster.objects.values():
        obj.setdefault("status", {})["health"] = HEALTHY


def degrade(name: str) -> Callable[[World], None]:
    """Everything becomes healthy, but `name` degrades."""

    def react(world: World) -> None:
        everything_healthy(world)
        for key, obj in world.cluster.objects.items():
            if key.name == name:
                obj["status"]["health"] = DEGRADED

    return react
