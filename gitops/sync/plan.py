"""The plan of an operation: which tasks there are and in which order. Pure; speaks to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple, Self

from gitops.model.application import Application, NamespaceMetadata, SyncOperation
from gitops.model.objects import Manifest, Object, ObjectKey, gvk_of, key_of
from gitops.model.tracking import is_crd
from gitops.sync.adopt import needs_adoption
from gitops.sync.hooks import SYNC_PHASES, Phase, delete_policies, generated_name, hook_phases, wave
from gitops.sync.options import Propagation, SyncOptions
from gitops.sync.order import order
from gitops.sync.task import Task

_NO_PRUNE = "ignored (no prune)"
_PRUNE_OFF = "ignored (requires pruning)"


class Pair(NamedTuple):
    """What is desired and what is there, for one key. A target without live: it is missing, or was not read."""

    target: Manifest | None
    live: Object | None
    #: The comparison found no difference (for ApplyOutOfSyncOnly).
    in_sync: bool = False
    #: Our own apply of the target left it like this, and nothing has changed it since.
    unchanged: bool = False


#: Why a (key, version) may not be written by this Application; empty where it may (AppProject rules, another room's).
Permits = Callable[[ObjectKey, str], str]


@dataclass(frozen=True, slots=True)
class NamespaceStep:
    """CreateNamespace=true: the destination namespace, made before everything else where it is missing."""

    name: str
    #: managedNamespaceMetadata, applied at each sync; None: the namespace is only created.
    metadata: dict[str, dict[str, str]] | None = None
    #: Why the project does not permit it.
    denied: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Tasks in the order in which they run. Serialisable, without any manifest: it rests sealed between two steps."""

    tasks: tuple[Task, ...] = ()
    namespace: NamespaceStep | None = None
    propagation: Propagation = "Foreground"
    dry_run: bool = False
    #: Copy ignored fields from live before each apply (RespectIgnoreDifferences).
    respect_ignored: bool = False
    #: Field managers whose fields become ours, besides the well-known ones; empty tuple: the well-known ones only.
    adopt_from: tuple[str, ...] = ()
    #: ClientSideApplyMigration=false turns adoption off.
    adopts: bool = True
    #: Why the operation must not run at all (FailOnSharedResource).
    refusal: str = ""

    @property
    def main(self) -> tuple[Task, ...]:
        """The tasks of a sync that succeeds."""
        return tuple(task for task in self.tasks if task.phase != Phase.SYNC_FAIL)

    @property
    def multi_step(self) -> bool:
        """Whether there is more than one (phase, wave): only then is the health of applied objects awaited."""
        return len({task.group for task in self.tasks}) > 1

    @property
    def needs_dry_run(self) -> bool:
        """Whether everything is tried before anything is written: it has more than one step, or a hook, or is a dry
        run.
        """
        return self.dry_run or self.multi_step or any(task.hook for task in self.tasks)

    def groups(self) -> Iterator[tuple[Phase, int, list[Task]]]:
        """(phase, wave, tasks) of each step, in order."""
        for _, members in groupby(self.tasks, key=lambda task: task.group):
            tasks = list(members)
            yield tasks[0].phase, tasks[0].wave, tasks

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {
            "tasks": [task.to_json() for task in self.tasks],
            "namespace": asdict(self.namespace) if self.namespace else None,
            "propagation": self.propagation,
            "dry_run": self.dry_run,
            "respect_ignored": self.respect_ignored,
            "adopt_from": list(self.adopt_from),
            "adopts": self.adopts,
            "refusal": self.refusal,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of to_json."""
        return cls(
            **{
                **data,
                "tasks": tuple(Task.from_json(task) for task in data["tasks"]),
                "namespace": NamespaceStep(**data["namespace"]) if data["namespace"] else None,
                "adopt_from": tuple(data["adopt_from"]),
            }
        )


def plan(
    pairs: Iterable[Pair],
    app: Application,
    sync: SyncOperation,
    *,
    started_at: datetime,
    revision: str = "",
    permits: Permits | None = None,
    shared: Sequence[str] = (),
) -> Plan:
    """Plan one operation (specs section 5, task generation and ordering).

    Takes the pairs of all keys of the Application (hooks among them), the Application, the operation's `sync` block,
    the operation's start and the first source's revision (for generated hook names), the AppProject's verdict, and
    the texts of SharedResourceWarning conditions.

    Raises InvalidSpecError where an option's value is unknown.
    """
    pairs = list(pairs)
    options = SyncOptions.of(app, sync)
    tasks = list(_tasks(pairs, sync, options, int(started_at.timestamp()), revision, _adoption(app, options)))
    if permits is not None:
        tasks = [task if not (why := permits(task.key, task.version)) else _denied(task, why) for task in tasks]
    live_of = {key_of(pair.live): pair.live for pair in pairs if pair.live is not None and pair.target is None}
    refusal = ""
    if shared and options.on("FailOnSharedResource"):
        refusal = f"Shared resource found: {', '.join(shared)}"
    return Plan(
        tasks=tuple(order(tasks, prune_last=lambda task: options.on("PruneLast", live_of.get(task.key)))),
        namespace=_namespace_step(app, pairs, options, permits),
        propagation=options.propagation,
        dry_run=sync.dry_run,
        respect_ignored=options.on("RespectIgnoreDifferences"),
        adopt_from=_adoption(app, options) or (),
        adopts=_adoption(app, options) is not None,
        refusal=refusal,
    )


MIGRATION_MANAGER = "argocd.argoproj.io/client-side-apply-migration-manager"


def _adoption(app: Application, options: SyncOptions) -> tuple[str, ...] | None:
    """Further field managers to take fields over from; None where migration is off."""
    if options.value("ClientSideApplyMigration").lower() == "false":
        return None
    named = app.annotations.get(MIGRATION_MANAGER)
    return (named,) if named else ()


def _denied(task: Task, why: str) -> Task:
    return replace(task, denied=why)


def _tasks(
    pairs: Sequence[Pair],
    sync: SyncOperation,
    options: SyncOptions,
    started: int,
    revision: str,
    adoption: tuple[str, ...] | None,
) -> Iterator[Task]:
    hooks_run = (sync.sync_strategy is None or sync.sync_strategy.hooks) and not sync.resources
    force = bool(sync.sync_strategy and sync.sync_strategy.force)
    for pair in pairs:
        if pair.target is None:
            live = pair.live
            if live is not None and _is_prunable(live) and _selected(key_of(live), sync):
                yield _prune_task(live, sync, options)
            continue
        obj = pair.target.load()
        phases = hook_phases(obj)
        if phases is not None:
            if hooks_run:
                for phase in phases:
                    if phase in SYNC_PHASES:
                        yield _hook_task(pair.target, obj, phase, options, started, revision)
        elif _selected(pair.target.key, sync) and not (pair.in_sync and options.on("ApplyOutOfSyncOnly")):
            yield _apply_task(pair, obj, options, force, adoption)


def _is_prunable(live: Object) -> bool:
    """Hooks go by their delete policy; a CRD takes all objects of its kind along, and is never pruned."""
    return hook_phases(live) is None and not is_crd(live)


def _selected(key: ObjectKey, sync: SyncOperation) -> bool:
    """Selective sync: group, kind and name are equal, and the namespace if one is given."""
    return not sync.resources or any(
        (wanted.group, wanted.kind, wanted.name) == (key.group, key.kind, key.name)
        and wanted.namespace in ("", key.namespace)
        for wanted in sync.resources
    )


def _prune_task(live: Object, sync: SyncOperation, options: SyncOptions) -> Task:
    choice = options.value("Prune", live).lower()
    return Task(
        key=key_of(live),
        version=gvk_of(live).version,
        phase=Phase.SYNC,
        wave=wave(live),
        uid=str((live.get("metadata") or {}).get("uid") or ""),
        skip_prune=_NO_PRUNE if choice == "false" else "" if sync.prune else _PRUNE_OFF,
        confirm=choice == "confirm",
    )


def _hook_task(target: Manifest, obj: Object, phase: Phase, options: SyncOptions, started: int, revision: str) -> Task:
    meta = obj.get("metadata") or {}
    key = target.key
    if not meta.get("name") and meta.get("generateName"):
        key = key._replace(name=generated_name(str(meta["generateName"]), revision, phase, started))
    return Task(
        key=key,
        version=target.version,
        phase=phase,
        wave=wave(obj),
        target=target.key,
        hook=True,
        delete_policies=delete_policies(obj),
        replace=options.on("Replace", obj),
        force=options.on("Force", obj),
        validate=options.value("Validate", obj).lower() != "false",
        skip_missing_kind=options.on("SkipDryRunOnMissingResource", obj),
    )


def _apply_task(pair: Pair, obj: Object, options: SyncOptions, force: bool, adoption: tuple[str, ...] | None) -> Task:
    assert pair.target is not None
    live = pair.live
    replace, force = options.on("Replace", obj, live), force or options.on("Force", obj, live)
    return Task(
        key=pair.target.key,
        version=pair.target.version,
        phase=Phase.SYNC,
        wave=wave(obj),
        target=pair.target.key,
        uid=str(((live or {}).get("metadata") or {}).get("uid") or ""),
        replace=replace,
        force=force,
        validate=options.value("Validate", obj, live).lower() != "false",
        skip_missing_kind=options.on("SkipDryRunOnMissingResource", obj),
        adopt=adoption is not None and live is not None and needs_adoption(live, adoption),
        unchanged=pair.unchanged and not replace and not force,
        defines=_defines(obj),
    )


def _defines(obj: Object) -> str:
    if gvk_of(obj).kind != "CustomResourceDefinition":
        return ""
    spec = obj.get("spec") or {}
    return f"{spec.get('group') or ''}|{(spec.get('names') or {}).get('kind') or ''}"


def _namespace_step(
    app: Application, pairs: Sequence[Pair], options: SyncOptions, permits: Permits | None
) -> NamespaceStep | None:
    """The destination namespace, where CreateNamespace asks for it; a Namespace manifest in Git wins."""
    name = app.spec.destination.namespace
    if not name or not options.on("CreateNamespace"):
        return None
    key = ObjectKey("", "Namespace", "", name)
    if any(pair.target is not None and pair.target.key._replace(namespace="") == key for pair in pairs):
        return None
    managed = app.spec.sync_policy.managed_namespace_metadata
    denied = permits(key, "v1") if permits is not None else ""
    return NamespaceStep(name, _metadata(managed) if managed else None, denied)


def _metadata(managed: NamespaceMetadata) -> dict[str, dict[str, str]]:
    return {
        field: dict(entries)
        for field, entries in (("labels", managed.labels), ("annotations", managed.annotations))
        if entries
    }
