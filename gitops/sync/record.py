"""The record of one operation: what was asked, what was done, where it stands. It is its own position."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import orjson

from gitops.model.application import Application, Operation, operation_state
from gitops.model.objects import ObjectKey
from gitops.model.rows import LONGEST, RESULTS_BYTES, fitting
from gitops.sync.backoff import retry_delay
from gitops.sync.compact import given
from gitops.sync.hooks import Phase
from gitops.sync.plan import Plan
from gitops.sync.ports import ERROR, FAILED, RUNNING, SUCCEEDED, TERMINATING
from gitops.sync.task import Task

# Result codes of one object
SYNCED = "Synced"
SYNC_FAILED = "SyncFailed"
PRUNED = "Pruned"
PRUNE_SKIPPED = "PruneSkipped"

#: The first hookPhase of each result code (specs section 5).
_FIRST_PHASE = {SYNCED: RUNNING, SYNC_FAILED: FAILED, PRUNED: SUCCEEDED, PRUNE_SKIPPED: SUCCEEDED}


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds where there are any."""
    moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """The inverse of format_time; raises ValueError."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(slots=True)
class TaskResult:
    """What came of one task."""

    code: str
    message: str = ""
    #: Running until the object is healthy (hooks: complete), then Succeeded, Failed or Error.
    hook_phase: str = RUNNING
    version: str = ""
    uid: str = ""
    #: A pruned object that was still there, with a deletionTimestamp, when last seen; a hook that has our finalizer.
    lingers: bool = False
    hook: bool = False
    images: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        return self.hook_phase == RUNNING

    @property
    def failed(self) -> bool:
        return self.hook_phase in (FAILED, ERROR)

    @classmethod
    def of(cls, code: str, message: str, **further: Any) -> TaskResult:
        """A fresh result with the hookPhase that its code begins with."""
        return cls(code, message, _FIRST_PHASE[code], **further)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict without the fields that have their default."""
        return {"code": self.code, **given(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of to_json."""
        return cls(**{**data, "images": tuple(data["images"])}) if "images" in data else cls(**data)


@dataclass(slots=True)
class OperationRecord:
    """One operation. Mutable: `advance` writes on it; `to_json` is what rests sealed, `to_status` what people see."""

    operation: Operation
    started_at: str
    #: The Artifact's address, and the revision of each source. Pinned at the first step.
    artifact: str = ""
    revisions: tuple[str, ...] = ()
    #: `source` or `sources` as they were used, on the wire.
    sources: tuple[dict[str, Any], ...] = ()
    multi_source: bool = False
    managed_namespace_metadata: dict[str, Any] | None = None
    phase: str = RUNNING
    message: str = ""
    finished_at: str = ""
    retry_count: int = 0
    #: Unix seconds of the next attempt; None where none is pending.
    retry_at: float | None = None
    #: The next attempt resolves the revision anew (retry.refresh).
    retry_refresh: bool = False
    #: None: has to be planned (the first step of each attempt).
    plan: Plan | None = None
    #: Everything was tried and found good, and the namespace is there.
    validated: bool = False
    #: How many of the plan's tasks were tried so far, and what was said of kinds that the cluster does not know.
    tried: int = 0
    unknown: tuple[str, ...] = ()
    results: dict[str, TaskResult] = field(default_factory=dict)
    #: Unix seconds until which the next wave is held back.
    hold_until: float = 0.0
    #: The operation has failed with this sentence; SyncFail hooks are still to run.
    failing: str = ""
    #: Since when (Unix seconds) an applied CRD is not yet served.
    kinds_since: float | None = None

    @property
    def started(self) -> datetime:
        return parse_time(self.started_at)

    @property
    def shown(self) -> str:
        """The message as the status has it."""
        return self.message[:LONGEST]

    @property
    def finished(self) -> bool:
        return self.phase in (SUCCEEDED, FAILED, ERROR)

    @property
    def needs_plan(self) -> bool:
        """Whether the next step has to be planned first: the operation is new, or a retry begins."""
        return self.plan is None and self.retry_at is None and not self.finished and self.phase != TERMINATING

    @property
    def attempt_id(self) -> str:
        """What a hook is marked with, so that a step that is repeated knows its own work."""
        return f"{self.started_at}/{self.retry_count}"

    @property
    def full(self) -> bool:
        """Whether the operation is of a kind that history keeps: no dry run, and not selective."""
        sync = self.operation.sync
        return sync is not None and not sync.dry_run and not sync.resources

    @classmethod
    def begin(
        cls,
        operation: Operation,
        app: Application,
        *,
        artifact: str,
        revisions: tuple[str, ...],
        now: datetime,
    ) -> Self:
        """A new operation, pinned to an Artifact and to resolved revisions. It still has to be planned."""
        sync = operation.sync
        multi = bool(sync.sources) if sync and (sync.source or sync.sources) else app.is_multi_source
        given = (sync.sources or ([sync.source] if sync.source else [])) if sync else []
        managed = app.spec.sync_policy.managed_namespace_metadata
        return cls(
            operation=operation,
            started_at=format_time(now),
            artifact=artifact,
            revisions=revisions,
            sources=tuple(source.to_api() for source in (given or app.all_sources)),
            multi_source=multi,
            managed_namespace_metadata=managed.to_api() if managed else None,
        )

    @classmethod
    def resume(cls, app: Application, *, artifact: str = "") -> Self | None:
        """The operation under way as `status.operationState` has it, for when nothing else remembers it.

        It has to be planned again; the results of its tasks are those that were written to the status. None where no
        operation is under way.
        """
        state = operation_state(app)
        if state.get("phase") not in (RUNNING, TERMINATING):
            return None
        result = state.get("syncResult") or {}
        record = cls(
            operation=Operation.model_validate(state.get("operation") or {}),
            started_at=str(state.get("startedAt") or format_time(datetime.now(UTC))),
            artifact=artifact,
            revisions=tuple(result.get("revisions") or ([result["revision"]] if result.get("revision") else [])),
            sources=tuple(result.get("sources") or ([result["source"]] if result.get("source") else [])),
            multi_source=bool(result.get("sources")),
            managed_namespace_metadata=result.get("managedNamespaceMetadata"),
            phase=str(state["phase"]),
            message=str(state.get("message") or ""),
            retry_count=int(state.get("retryCount") or 0),
        )
        for row in result.get("resources") or []:
            key = ObjectKey(*(str(row.get(part) or "") for part in ("group", "kind", "namespace", "name")))
            task = Task(key, str(row.get("version") or ""), Phase(row.get("syncPhase") or Phase.SYNC))
            record.results[task.id] = TaskResult(
                code=str(row.get("status") or SYNCED),
                message=str(row.get("message") or ""),
                hook_phase=str(row.get("hookPhase") or RUNNING),
                version=task.version,
                lingers=row.get("status") == PRUNED or bool(row.get("hookType")),
                hook=bool(row.get("hookType")),
                images=tuple(row.get("images") or ()),
            )
        record.validated = bool(record.results)
        if state.get("finishedAt"):
            ended = parse_time(str(state["finishedAt"])).timestamp()
            record.finished_at = str(state["finishedAt"])
            record.retry_at = ended + retry_delay(record.operation.retry, record.retry_count)
            record.retry_refresh = record.operation.retry.refresh
        return record

    def result(self, task: Task) -> TaskResult | None:
        return self.results.get(task.id)

    def next_attempt(self) -> None:
        """Begin the pending retry: results are cleared, the plan is to be made again."""
        self.retry_count += 1
        self.retry_at, self.finished_at = None, ""
        self.plan, self.validated, self.failing, self.kinds_since, self.hold_until = None, False, "", None, 0.0
        self.tried, self.unknown = 0, ()
        self.results.clear()

    def to_json(self) -> bytes:
        """The record as bytes, to rest (sealed) between two steps. There is no manifest in it."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        data["operation"] = self.operation.to_api()
        data["plan"] = self.plan.to_json() if self.plan else None
        data["results"] = {task: result.to_json() for task, result in self.results.items()}
        return orjson.dumps(data)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The inverse of to_json."""
        read: dict[str, Any] = orjson.loads(data)
        read["operation"] = Operation.model_validate(read["operation"])
        read["plan"] = Plan.from_json(read["plan"]) if read["plan"] else None
        read["results"] = {task: TaskResult.from_json(result) for task, result in read["results"].items()}
        for name in ("revisions", "sources", "unknown"):
            read[name] = tuple(read.get(name) or ())
        return cls(**read)

    def to_status(self) -> dict[str, Any]:
        """`status.operationState`, as Argo CD writes it (specs section 1).

        Of thousands of objects only as many as RESULTS_BYTES hold, those that failed before the others.
        """
        state: dict[str, Any] = {
            "operation": self.operation.to_api(),
            "phase": self.phase,
            "message": self.shown,
            "startedAt": self.started_at,
            "syncResult": self._sync_result(),
        }
        if self.finished_at:
            state["finishedAt"] = self.finished_at
        if self.retry_count:
            state["retryCount"] = self.retry_count
        return state

    def rows(self) -> list[dict[str, Any]]:
        """What came of each object, as `syncResult.resources` has it; all of them, however many."""
        return [_row(task, result) for task, result in self.results.items()]

    def _sync_result(self) -> dict[str, Any]:
        result: dict[str, Any] = {"resources": fitting(self.rows(), RESULTS_BYTES, _matters)}
        if self.multi_source:
            result |= {"revisions": list(self.revisions), "sources": list(self.sources)}
        else:
            result["revision"] = self.revisions[0] if self.revisions else ""
            result["source"] = self.sources[0] if self.sources else {"repoURL": ""}
        if self.managed_namespace_metadata:
            result["managedNamespaceMetadata"] = self.managed_namespace_metadata
        return result


def _matters(row: dict[str, Any]) -> bool:
    """Whether a row says more than that its object was written."""
    return row["status"] not in (SYNCED, PRUNED) or row["hookPhase"] in (FAILED, ERROR) or "hookType" in row


def _row(task_id: str, result: TaskResult) -> dict[str, Any]:
    phase, _, key = task_id.partition("|")
    group, kind, namespace, name = ObjectKey.decode(key)
    row: dict[str, Any] = {
        "group": group,
        "version": result.version,
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "status": result.code,
        "message": result.message[:LONGEST],
        "hookPhase": result.hook_phase,
        "syncPhase": phase,
    }
    if result.hook:
        row["hookType"] = phase
    if result.images:
        row["images"] = list(result.images)
    return row
