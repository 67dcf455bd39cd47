"""compare: is the application what it should be? Writes the status, and starts what the policy asks for."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitops.cluster import ApiError
from gitops.diff import UNKNOWN, IgnoreRules, application_sync_status, compare_options
from gitops.errors import ComparisonError, GitOpsError
from gitops.health import application_health
from gitops.model.application import Application, NamespaceMetadata, operation_state
from gitops.model.artifact import Artifact
from gitops.model.names import GROUP, REFRESH, SKIP_RECONCILE
from gitops.model.objects import Object, ObjectKey
from gitops.observe import logs, metrics
from gitops.reconcile import orphans
from gitops.reconcile import status as statuses
from gitops.reconcile.control import ControlConfig
from gitops.reconcile.look import Looker, View
from gitops.reconcile.permitted import restrict
from gitops.state.apps import DesiredState, Flags
from gitops.state.live import Snapshot
from gitops.state.queue import APPLY, FETCH, Rank
from gitops.sync.ports import RUNNING, TERMINATING

if TYPE_CHECKING:
    from gitops.reconcile.engine import Engine
    from gitops.state import Entry

logger = logging.getLogger("gitops.compare")


@dataclass(slots=True)
class Comparison:
    """One comparison of one application, on its way from the look to the written status."""

    app: Application
    config: ControlConfig
    desired: DesiredState
    snapshot: Snapshot
    artifact: Artifact | None = None
    view: View | None = None
    findings: statuses.Findings | None = None
    #: As they were when the look began.
    flags: Flags = field(default_factory=Flags)
    #: The operation that has just ended; None: the one that the status tells of.
    operation: Object | None = None

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(GROUP, "Application", self.app.namespace, self.app.name)


def compare(engine: Engine, entry: Entry) -> None:
    """Compare, decide, write."""
    app_id, kept, lock = entry.app, entry.kept, entry.lock
    obj = engine.known(app_id, kept.application)
    if obj is None:
        engine.state.apps.forget(app_id)
        return
    operated = bool(kept.operation) or _is_operated(obj)
    if operated:
        # An operation makes its own comparison when it ends; one that is parked is woken by what it waits for.
        parked = engine.state.operations.is_parked(app_id)
        if not parked or kept.flags.dirty != kept.flags.seen:
            # What has changed is not noted yet: who was to wake it has died before.
            engine.state.queue.want(APPLY, app_id, Rank.DRIFT)
        meta = obj["metadata"]
        if not parked or meta.get("deletionTimestamp") or REFRESH not in (meta.get("annotations") or {}):
            return
    app = _readable(engine, app_id, obj)
    if app is None:
        return
    desired = kept.desired
    if desired is None:
        engine.state.queue.want(FETCH, app_id, Rank.DRIFT)
        return
    logs.bind(revision=",".join(desired.revisions))
    begun = time.monotonic()
    comparison = look(engine, app, desired, kept.flags)
    if comparison is None:
        return
    destination = app.spec.destination
    metrics.reconcile_finished(app.namespace, destination.server or destination.name, time.monotonic() - begun)
    from gitops.reconcile import policy

    operated = operated or policy.start(engine, comparison, lock)
    # A person who asks how things are is answered during an operation too; to note what was seen is the operation's.
    if not operated or (REFRESH in app.annotations and engine.state.operations.is_parked(app_id)):
        write(engine, comparison)
    if not operated:
        finish(engine, comparison)


def _is_operated(obj: Object) -> bool:
    """Whether the CR says that an operation, or its end, is under way: so too where Redis has lost it."""
    state = ((obj.get("status") or {}).get("operationState") or {}).get("phase")
    return bool(obj.get("operation") or obj["metadata"].get("deletionTimestamp") or state in (RUNNING, TERMINATING))


def _readable(engine: Engine, app_id: str, obj: Object) -> Application | None:
    """The Application; None where it cannot be read (its condition says so) or wants to be left alone."""
    try:
        app = Application.from_object(obj)
    except GitOpsError as error:
        report(engine, app_id, error)
        return None
    return None if app.annotations.get(SKIP_RECONCILE) == "true" else app


def look(
    engine: Engine,
    app: Application,
    desired: DesiredState,
    flags: Flags,
    *,
    fresh: Mapping[ObjectKey, Object | None] | None = None,
    operation: Object | None = None,
    applied: Collection[ObjectKey] = (),
) -> Comparison | None:
    """Look at every object; None where the Artifact is gone from Redis and is being made again.

    `flags` are the application's, read in this step. `fresh` are live objects that were had just now, by key, None for
    one that is known not to be there; `applied` are those of them that our own apply gave. `operation` is the state of
    one that has just ended, which the status does not tell of yet.
    """
    config = engine.control.get()
    hard = app.annotations.get(REFRESH) == "hard"
    snapshot = engine.state.live.snapshot(app.id, engine.server_of(app))
    comparison = Comparison(app, config, desired, snapshot, operation=operation)
    if desired.error and not desired.artifact:
        comparison.findings = _failed(comparison, [desired.error])
        return comparison
    comparison.artifact = engine.state.artifacts.get(desired.artifact)
    if comparison.artifact is None:
        engine.state.queue.want(FETCH, app.id, Rank.DRIFT)
        return None
    comparison.flags = flags
    full = hard or flags.full <= time.time()
    try:
        client, server = engine.clusters.update(engine.control).client(app.spec.destination), snapshot.server
        looker = Looker(
            client,
            app.instance(engine.settings.namespace),
            config,
            IgnoreRules.build(app.spec.ignore_differences, config.settings),
            config.health_checks,
            fresh or {},
            compare_options({"metadata": app.metadata}),
            applied,
        )
        comparison.view = looker.look(comparison.artifact, snapshot, _former(app), full=full)
        restrict(comparison.view, config.project(app), app.spec.destination, server, client)
        comparison.view.conditions += orphans.warnings(engine, comparison)
    except GitOpsError as error:
        comparison.findings = _failed(comparison, [(ComparisonError.condition, str(error))])
        return comparison
    if fresh is None:
        engine.state.live.use_kinds(server, {(m.key.group, m.key.kind) for m in comparison.artifact.objects})
    comparison.findings = summarise(comparison)
    return comparison


def summarise(comparison: Comparison) -> statuses.Findings:
    """The findings of a look."""
    view, artifact, desired = comparison.view, comparison.artifact, comparison.desired
    assert view is not None
    assert artifact is not None
    conditions = list(desired.warnings) + view.conditions
    sync = application_sync_status(view.results, namespace_changed=_namespace_changed(comparison))
    if desired.error:
        conditions.append(desired.error)
        sync = UNKNOWN
    health = application_health(view.live_resources(), itself=comparison.key)
    return statuses.Findings(
        sync=sync,
        health=health.status,
        health_message=health.message,
        resources=view.resources(),
        conditions=conditions,
        desired=desired,
        images=statuses.images(artifact),
        app_of_apps=any(o.key.group == GROUP and o.key.kind == "Application" for o in artifact.objects),
    )


def _namespace_changed(comparison: Comparison) -> bool:
    """Whether managedNamespaceMetadata says something else than at the last operation (specs section 1)."""
    app = comparison.app
    wanted = app.spec.sync_policy.managed_namespace_metadata
    result = (comparison.operation or operation_state(app)).get("syncResult")
    if wanted is None or not result or app.spec.sync_policy.option("CreateNamespace") != "true":
        return False
    return NamespaceMetadata.model_validate(result.get("managedNamespaceMetadata") or {}) != wanted


def write(
    engine: Engine,
    comparison: Comparison,
    extra: Object | None = None,
    *,
    operation_ended: bool = False,
    metadata: Object | None = None,
) -> None:
    """Write the status if it says something new. `extra` are further fields of it (an operation's state, history)."""
    app, findings = comparison.app, comparison.findings
    assert findings is not None
    status = statuses.build(app, findings)
    status.update(extra or {})
    patch = statuses.patch(app, status)
    changed_metadata: Object = dict(metadata or {})
    if REFRESH in app.annotations:
        changed_metadata["annotations"] = {REFRESH: None}
    if changed_metadata:
        patch = {**(patch or {}), "metadata": changed_metadata}
    if operation_ended:
        patch = {**(patch or {}), "operation": None}
    if patch is None:
        return
    write_patch(engine, app, patch)
    before = app.status
    was_sync, was_health = (before.get("sync") or {}).get("status", ""), (before.get("health") or {}).get("status", "")
    # The Event of an operation's end tells of the sync status that it left; a first status is no change.
    if was_sync != findings.sync and was_sync and not operation_ended:
        engine.events.sync_status_changed(app, was_sync, findings.sync)
    if was_health != findings.health:
        if was_health:
            engine.events.health_changed(app, was_health, findings.health)
        logs.event(logger, "health changed", app=app.id, was=was_health, now=findings.health)


def write_patch(engine: Engine, app: Application, patch: Object) -> None:
    """Patch the CR; an Application that is gone meanwhile needs no status."""
    try:
        engine.patch(app, patch)
    except ApiError as error:
        if not error.not_found:
            raise


def finish(engine: Engine, comparison: Comparison) -> None:
    """Have noted what was compared when the step ends: it is not read again, unless more came or changed meanwhile."""
    app, view, snapshot = comparison.app, comparison.view, comparison.snapshot
    failed = view is None or comparison.desired.error is not None
    fields = {"done": "" if failed else comparison.desired.spec, "told": comparison.desired.told}
    if view is not None:
        engine.state.at_leave.append(engine.state.live.settling(app.id, snapshot.dirty, view.notes, snapshot.server))
        # A look that failed has read nothing: the full comparison is still to come.
        fields["full"] = f"{time.time() + engine.settings.full_compare_interval:.0f}"
    anew, version = comparison.flags.anew, comparison.config.version
    engine.state.at_leave.append(engine.state.apps.comparing(app.id, anew, version, **fields))


def report(engine: Engine, app_id: str, error: GitOpsError) -> None:
    """Write one failure to the conditions, leaving the rest of the status as it is."""
    obj = engine.application(app_id)
    if obj is None:
        return
    try:
        present = (obj.get("status") or {}).get("conditions") or []
        found = [(str(c["type"]), str(c["message"])) for c in present if c["type"] in statuses.COMPARISON_CONDITIONS]
        found = [(kind, text) for kind, text in found if kind != error.condition] + [(error.condition, str(error))]
        status: Object = {"conditions": statuses.conditions(present, found, frozenset({error.condition}))}
        if status["conditions"] == present:
            return
        if error.condition in {"InvalidSpecError", "ComparisonError", "UnknownError"}:
            status["sync"] = {"status": UNKNOWN}
        namespace, name = app_id.split("/", 1)
        key = ObjectKey(GROUP, "Application", namespace, name)
        changed = engine.clusters.control.merge_patch(key, {"status": status})
        engine.state.apps.put(app_id, changed)
        engine.notices.tell(changed)
    except GitOpsError as trouble:
        logs.event(logger, f"cannot write the condition: {trouble}", logging.ERROR, app=app_id)


def _failed(comparison: Comparison, conditions: list[tuple[str, str]]) -> statuses.Findings:
    """Nothing could be compared: Unknown, and what is known of health stays."""
    health = (comparison.app.status.get("health") or {}).get("status") or UNKNOWN
    found = conditions + ([comparison.desired.error] if comparison.desired.error else [])
    return statuses.Findings(
        sync=UNKNOWN,
        health=health,
        health_message=(comparison.app.status.get("health") or {}).get("message", ""),
        conditions=list(dict.fromkeys(found)),
        desired=comparison.desired,
    )


def _former(app: Application) -> list[ObjectKey]:
    rows = app.status.get("resources") or []
    return [
        ObjectKey(r.get("group", ""), r.get("kind", ""), r.get("namespace", ""), r.get("name", ""))
        for r in rows
        if not r.get("hook")
    ]
