"""A look at an application's objects: what did not change since the last one is not read again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gitops.cluster import READERS, ApiError, ClusterClient, UnknownKind, run_parallel
from gitops.diff import (
    OUT_OF_SYNC,
    SYNCED,
    UNKNOWN,
    Change,
    IgnoreRules,
    ObjectDiff,
    ObjectResult,
    Verdict,
    as_applied,
    compare,
    compare_options,
    object_result,
)
from gitops.diff.status import is_hook
from gitops.health import LiveResource, LuaChecks, assess
from gitops.model.artifact import Artifact
from gitops.model.health import Health
from gitops.model.names import IGNORE_HEALTHCHECK, SYNC_WAVE
from gitops.model.objects import Manifest, Object, ObjectKey, annotations_of
from gitops.model.tracking import is_self_referenced, owner, shared_resource_warning
from gitops.reconcile.absent import absent
from gitops.reconcile.control import ControlConfig
from gitops.reconcile.status import Resource
from gitops.state.live import Note, Snapshot
from gitops.sync import object_options

#: Objects that one reader reads at the least, where there are so many: a thread costs as much as a request.
EACH = 2
_IGNORED = "ignore-healthcheck"
SERVER_SIDE_DIFF, INCLUDE_WEBHOOKS = "ServerSideDiff=true", "IncludeMutationWebhook=true"
_THERE: Object = {"metadata": {}}


@dataclass(slots=True)
class Item:
    """One object of an application: desired, live, and what was found."""

    key: ObjectKey
    manifest: Manifest | None
    note: Note | None = None
    live: Object | None = None
    #: Whether `live` was read in this look; else the note of an earlier one stands.
    read: bool = False
    result: ObjectResult | None = None
    hook: bool = False
    self_referenced: bool = True
    #: Whether the project permits the object (specs section 7).
    permitted: bool = True
    error: Exception | None = None

    @property
    def unchanged(self) -> bool:
        """Whether nothing has changed it since our own apply of this manifest: the watch would have told."""
        return not self.read and self.manifest is not None and bool(self.note and self.note.applied)

    @property
    def exists(self) -> bool:
        return self.live is not None or bool(not self.read and self.note and self.note.resource_version)


@dataclass(slots=True)
class View:
    """What a look found."""

    items: list[Item]
    #: What is to be noted; None forgets an object.
    notes: dict[ObjectKey, Note | None] = field(default_factory=dict)
    conditions: list[tuple[str, str]] = field(default_factory=list)

    @property
    def results(self) -> list[ObjectResult]:
        return [item.result for item in self.items if item.result]

    def resources(self) -> list[Resource]:
        """The rows of `status.resources`."""
        rows = []
        for item in self.items:
            if item.hook and not item.exists:
                continue
            note = item.note
            health = note.health if note else None
            if not item.exists and not item.hook:
                health = Health("Missing")
            rows.append(
                Resource(
                    item.key,
                    item.manifest.version if item.manifest else (note.version if note else ""),
                    (item.result.status if item.permitted else UNKNOWN) if item.result else "",
                    health,
                    hook=item.hook,
                    requires_pruning=item.manifest is None and item.self_referenced and not item.hook,
                    wave=_wave(item.manifest),
                    confirm_deletion=bool(note and note.confirm) or _asks_for_confirmation(item.manifest),
                )
            )
        return rows

    def live_resources(self) -> list[LiveResource]:
        """What the application's health is made of."""
        out = []
        for item in self.items:
            health = item.note.health if item.note else None
            if health and health.rule == _IGNORED:
                health = None
            live = item.live if item.read else (_THERE if item.exists else None)
            out.append(LiveResource(item.key, live, health, hook=item.hook, desired=item.manifest is not None))
        return out


def _asks_for_confirmation(manifest: Manifest | None) -> bool:
    return manifest is not None and b"=confirm" in manifest.body and _confirm(manifest.load())


def _confirm(obj: Object) -> bool:
    options = object_options(obj)
    return "confirm" in (options.get("Delete", "").lower(), options.get("Prune", "").lower())


def _wave(manifest: Manifest | None) -> int:
    if manifest is None or SYNC_WAVE.encode() not in manifest.body:
        return 0
    try:
        return int(annotations_of(manifest.load()).get(SYNC_WAVE, "0"))
    except ValueError:
        return 0


@dataclass(slots=True)
class Looker:
    """Looks at the objects of one application in its cluster."""

    client: ClusterClient
    instance: str
    config: ControlConfig
    rules: IgnoreRules
    checks: LuaChecks
    #: Live objects that were had just now (an operation's own writes), None for one that is not there: not read again.
    fresh: Mapping[ObjectKey, Object | None] = field(default_factory=dict)
    #: The Application's compare options: ServerSideDiff=true, IncludeMutationWebhook=true (specs section 4).
    options: frozenset[str] = frozenset()
    #: Those of `fresh` that are as our own apply left them.
    applied: Collection[ObjectKey] = ()

    def look(
        self, artifact: Artifact, snapshot: Snapshot, former: Iterable[ObjectKey] = (), *, full: bool = False
    ) -> View:
        """Compare every object; read those whose manifest or resourceVersion is not the one last compared.

        `former` are objects that the status named before; `full` reads all of them. Raises ClusterError where the
        cluster does not answer, ComparisonError for an ignore rule that cannot be evaluated.
        """
        items = [self._desired(m) for m in artifact.objects]
        wanted = {item.key for item in items}
        candidates = {k for k, rv in snapshot.observed.items() if rv > 0} | set(former) | set(snapshot.compared)
        items += [Item(key, None) for key in sorted(candidates - wanted)]
        view = View(items)
        todo = []
        for item in items:
            note = snapshot.compared.get(item.key)
            if (
                item.key not in self.fresh
                and not full
                and note
                and self._unchanged(item, note, snapshot.observed.get(item.key))
            ):
                item.note = note
                self._reuse(item)
                self._shared(item, view)
            elif item.hook:
                continue
            else:
                todo.append(item)
        for item in todo:
            if item.key in self.fresh:
                self._read(item, snapshot)
        asked = [item for item in todo if item.key not in self.fresh]
        gone = absent(self.client, _unseen(asked, snapshot))
        for item in asked:
            if item.key in gone:
                self._found(item, None)
        asked = [item for item in asked if item.key not in gone]
        for outcome in run_parallel(lambda item: self._read(item, snapshot), asked, min(READERS, len(asked) // EACH)):
            if outcome.error:
                raise outcome.error
        for item in todo:
            view.notes[item.key] = item.note
            self._shared(item, view)
        view.items = [i for i in items if i.manifest or i.note]
        return view

    def _desired(self, manifest: Manifest) -> Item:
        return Item(manifest.key, manifest, hook=b'/hook"' in manifest.body and is_hook(manifest.load()))

    @staticmethod
    def _unchanged(item: Item, note: Note, observed: int | None) -> bool:
        if item.manifest is None:
            return note.extra and observed == note.resource_version
        return note.manifest == item.manifest.digest and observed is not None and observed == note.resource_version

    @staticmethod
    def _reuse(item: Item) -> None:
        note = item.note
        assert note is not None
        item.hook, item.self_referenced = item.hook or note.hook, not note.foreign
        silent = item.hook or note.foreign
        status = "" if silent else SYNCED if note.synced else OUT_OF_SYNC
        item.result = ObjectResult(item.key, status, counts=not silent and not note.uncounted)

    # --- reading ---

    def _read(self, item: Item, snapshot: Snapshot) -> None:
        self._found(item, self._get(item, snapshot.observed.get(item.key, 0)))

    def _found(self, item: Item, live: Object | None) -> None:
        item.read, item.live = True, live
        if item.manifest is None:
            self._extra(item)
        else:
            self._compare(item, item.manifest)

    def _get(self, item: Item, at_least: int) -> Object | None:
        if item.key in self.fresh:
            return self.fresh[item.key]
        version = item.manifest.version if item.manifest else ""
        try:
            live = self.client.get(item.key, version=version, cached=True)
            if at_least > 0 and (live is None or int(live["metadata"]["resourceVersion"]) < at_least):
                live = self.client.get(item.key, version=version)
        except UnknownKind:
            return None
        return live

    def _extra(self, item: Item) -> None:
        """An object that Git does not name (any more): ours to prune only if its marks are meant for it."""
        live, config = item.live, self.config
        if live is None or owner(live, config.tracking, config.instance_label, config.installation_id) != self.instance:
            item.live = None
            return
        item.self_referenced = is_self_referenced(live, None, config.tracking)
        item.hook = is_hook(live)
        diff = compare(None, live, self.rules)
        item.result = object_result(diff, None, live, self_referenced=item.self_referenced)
        note = self._note(item, diff, extra=True)
        item.note = replace(note, uncounted=not item.hook and not item.result.counts, confirm=_confirm(live))

    def _compare(self, item: Item, manifest: Manifest) -> None:
        target, live, config = manifest.load(), item.live, self.config
        if live is None:
            diff = compare(target, None, self.rules)
            item.result = object_result(diff, target, None)
            return
        diff = compare(target, live, self.rules, method=config.tracking, label_key=config.instance_label)
        if (
            diff.verdict is Verdict.ASK
            or SERVER_SIDE_DIFF in self.options
            or SERVER_SIDE_DIFF in compare_options(target)
        ):
            diff = self._ask(manifest, target, live)
        item.result = object_result(diff, target, live)
        other = owner(live, config.tracking, config.instance_label, config.installation_id) or ""
        shared = "" if other == self.instance else other
        applied = item.key in self.applied and diff.verdict is Verdict.SAME
        item.note = replace(self._note(item, diff), shared=shared, confirm=_confirm(live), applied=applied)

    def _ask(self, manifest: Manifest, target: Object, live: Object) -> ObjectDiff:
        """Let the API server say: a dry-run apply is the exact test."""
        try:
            predicted = self.client.apply(as_applied(manifest), dry_run=True)
        except ApiError as error:
            if not error.invalid and not error.conflict:
                raise
            return ObjectDiff(Verdict.DIFFERENT, Change.MODIFIED, str(error))
        return compare(
            target,
            live,
            self.rules,
            predicted=predicted,
            method=self.config.tracking,
            label_key=self.config.instance_label,
            webhooks_count=INCLUDE_WEBHOOKS in self.options or INCLUDE_WEBHOOKS in compare_options(target),
        )

    def _note(self, item: Item, diff: ObjectDiff, *, extra: bool = False) -> Note:
        assert item.live is not None
        note = note_of(
            item.live,
            item.manifest,
            synced=diff.verdict is Verdict.SAME,
            extra=extra,
            checks=self.checks,
            has_status=self.client.discovery.has_status(item.key.group, item.key.kind),
        )
        return replace(note, hook=item.hook, foreign=not item.self_referenced)

    def _shared(self, item: Item, view: View) -> None:
        if item.manifest is not None and item.note is not None and (other := item.note.shared):
            view.conditions.append(("SharedResourceWarning", shared_resource_warning(item.key, self.instance, other)))


def _unseen(items: Iterable[Item], snapshot: Snapshot) -> Iterator[tuple[ObjectKey, str]]:
    """The objects that Git names and nobody has seen."""
    for item in items:
        if item.manifest is not None and snapshot.observed.get(item.key, 0) <= 0:
            yield item.key, item.manifest.version


def note_of(
    live: Object,
    manifest: Manifest | None,
    *,
    synced: bool,
    extra: bool = False,
    checks: LuaChecks,
    has_status: bool | None = None,
) -> Note:
    """What is noted of an object as it is now. `has_status`: whether its kind has a status, where that is known."""
    health = assess(live, overrides=checks, has_status=has_status)
    if health and annotations_of(live).get(IGNORE_HEALTHCHECK) == "true":
        health = Health(health.status, health.message, _IGNORED)
    return Note(
        resource_version=int(live["metadata"]["resourceVersion"]),
        manifest=manifest.digest if manifest else "",
        synced=synced,
        version=manifest.version if manifest else str(live.get("apiVersion", "")).rpartition("/")[2],
        health=health,
        extra=extra,
    )
