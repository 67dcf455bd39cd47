"""generate: an ApplicationSet's Applications made as its generators say; nothing is touched where they fail."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gitops.applicationset import (
    ClusterInfo,
    Inputs,
    Plan,
    Policy,
    conditions,
    generate,
    reconcile_plan,
    requeue_after,
    rolling,
)
from gitops.cluster import read_cluster
from gitops.errors import GitOpsError, InvalidSpecError, LockLost, ProjectDenied
from gitops.model.application import Application
from gitops.model.names import FINALIZER_FOREGROUND, GROUP, SET_REFRESH, VERSION
from gitops.model.objects import GVK, Manifest, Object, ObjectKey, annotations_of
from gitops.model.project import default_project
from gitops.model.rows import RESOURCES_BYTES, fitting
from gitops.observe import logs
from gitops.observe.requests import git_request
from gitops.reconcile import rollouts
from gitops.reconcile import status as statuses
from gitops.reconcile.contents import Contents, check_any
from gitops.reconcile.control import ControlConfig
from gitops.reconcile.refs import Waiting
from gitops.source.access import Bounds
from gitops.source.git import Mirrors
from gitops.state.apps import DesiredState
from gitops.state.locks import Lock
from gitops.state.queue import SET_PREFIX

if TYPE_CHECKING:
    from gitops.reconcile.engine import Engine

logger = logging.getLogger("gitops.generate")
#: Seconds between two looks that a generator's requeueAfterSeconds may ask for at the least.
_SHORTEST_PACE = 5.0
_APPLICATION = GVK(GROUP, VERSION, "Application")


def reconcile(engine: Engine, set_id: str, lock: Lock) -> None:
    """One look at the ApplicationSet that `set_id` (`appset:namespace/name`) names.

    What is wrong with it ends in its conditions. Raises LockLost where another worker has taken over.
    """
    appset = engine.clusters.control.get(_key(set_id))
    if appset is None:
        _forget(engine, set_id)
        return
    if appset["metadata"].get("deletionTimestamp"):
        _end(engine, appset, lock)
        return
    if SET_REFRESH in annotations_of(appset):
        _look_anew(engine, set_id)
    generated, rollout = False, None
    try:
        steps = rolling.steps_of(appset)
        in_reverse = _deletes_in_reverse(engine, appset)
        wanted = _generate(engine, set_id, appset)
        if steps:
            wanted = [rolling.managed(app) for app in wanted]
        generated = True
        held = _existing(engine, appset, wanted)
        plan = reconcile_plan(appset, held, wanted)
        if in_reverse:
            plan = replace(plan, delete=rolling.deleted_first(steps, plan.delete))
        _act(engine, appset, plan, held, lock)
        if steps:
            rollout = rollouts.plan(engine, appset, steps, wanted, plan, held)
    except Waiting:
        return
    except LockLost:
        raise
    except GitOpsError as error:
        logs.event(logger, f"generate failed: {error}", logging.WARNING, app=set_id)
        _write(engine, appset, error, generated=generated)
        return
    gone = {obj["metadata"]["name"] for obj in plan.delete}
    remaining = [obj for obj in held if obj["metadata"]["name"] not in gone]
    _write(engine, appset, None, generated=True, applications=[*remaining, *plan.create], rollout=rollout)
    if rollout:
        rollouts.start(engine, appset, rollout, lock)


def report(engine: Engine, set_id: str, error: GitOpsError) -> None:
    """The run failed as a whole: say so in the conditions."""
    try:
        appset = engine.clusters.control.get(_key(set_id))
        if appset is not None:
            _write(engine, appset, error, generated=False)
    except GitOpsError as trouble:
        logs.event(logger, f"cannot write the condition: {trouble}", logging.ERROR, app=set_id)


# --- what it should be ---


def _generate(engine: Engine, set_id: str, appset: Object) -> list[Object]:
    """The Applications as generated, each one readable. Raises InvalidSpecError, SourceError, Waiting."""
    config = engine.control.get()
    contents = _contents(engine, config, set_id, appset)
    pace = requeue_after(appset["spec"].get("generators") or ())
    if pace is not None:
        # A little later, so that what is known of the repositories is old by then.
        engine.state.live.compare_at(set_id, time.time() + max(pace, _SHORTEST_PACE) * 1.05)
        contents.refs = replace(engine.refs, interval=min(engine.refs.interval, max(pace, _SHORTEST_PACE)))
    try:
        made = generate(appset, Inputs(_clusters(config), contents))
    finally:
        _track(engine, set_id, contents)
    for obj in made:
        # The server would refuse it halfway through the others.
        Application.from_object(obj)
    return made


def _contents(engine: Engine, config: ControlConfig, set_id: str, appset: Object) -> Contents:
    """What git generators may read: what the template's project permits.

    Where the project is itself a parameter, some project has to permit the repository, and only credentials that
    belong to no project are used.
    """
    name = str(((appset["spec"].get("template") or {}).get("spec") or {}).get("project") or "default")
    if "{{" in name:
        project, signers = "", []
        projects = list(config.projects.values())
        if "default" not in config.projects and "default" not in config.broken_projects:
            projects.append(default_project(config.namespace))
    else:
        found = config.project_named(name, f"ApplicationSet {set_id.removeprefix(SET_PREFIX)}")
        project, projects, signers = name, [found], [key.key_id for key in found.spec.signature_keys]

    def allowed(url: str) -> bool:
        try:
            check_any(projects, url)
        except ProjectDenied:
            return False
        return True

    mirrors = Mirrors(
        engine.settings.data_dir / "git", config.repositories,
        allowed=allowed, project=project, bounds=Bounds.of(engine.settings), observer=git_request,
    )  # fmt: skip
    return Contents(mirrors, engine.refs, projects, set_id, signers)


def _clusters(config: ControlConfig) -> tuple[ClusterInfo, ...]:
    """The cluster Secrets; one that cannot be used is left out, as no Application could go there."""
    found = []
    for secret in config.cluster_secrets:
        try:
            cluster = read_cluster(secret)
        except InvalidSpecError as error:
            logs.event(logger, f"left out: {error}", logging.WARNING)
            continue
        meta = secret["metadata"]
        labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
        found.append(ClusterInfo(cluster.name, cluster.server, cluster.project, labels, annotations))
    return tuple(found)


def _track(engine: Engine, set_id: str, contents: Contents) -> None:
    """Note the repositories, so that a new commit which anybody sees makes us look too."""
    former = engine.state.apps.desired(set_id)
    tracked = tuple(contents.tracked.values())
    before = {t.url for t in former.tracked} if former else set()
    # One that could not be read this time is still waited for.
    engine.state.apps.link(set_id, {t.url for t in tracked} or before, before)
    if tracked and (former is None or former.tracked != tracked):
        engine.state.apps.set_desired(set_id, DesiredState(tracked=tracked))


def _look_anew(engine: Engine, set_id: str) -> None:
    """A person asks by the annotation: the repositories are looked at now."""
    engine.state.look_anew(set_id)
    engine.clusters.control.merge_patch(_key(set_id), {"metadata": {"annotations": {SET_REFRESH: None}}})


def _forget(engine: Engine, set_id: str) -> None:
    former = engine.state.apps.desired(set_id)
    engine.state.apps.link(set_id, (), {t.url for t in former.tracked} if former else ())
    engine.state.apps.forget(set_id)


# --- what is done ---


def _existing(engine: Engine, appset: Object, wanted: list[Object] | tuple[Object, ...]) -> list[Object]:
    """The Applications that the ApplicationSet owns, and those that have a wanted name."""
    meta = appset["metadata"]
    names = {obj["metadata"]["name"] for obj in wanted}
    listed = engine.clusters.control.list(_APPLICATION, namespace=meta["namespace"])
    return [obj for obj in listed if _owned(obj, meta["uid"]) or obj["metadata"]["name"] in names]


def _owned(obj: Object, uid: str) -> bool:
    references = obj["metadata"].get("ownerReferences") or ()
    return any(entry.get("controller") and entry.get("uid") == uid for entry in references)


def _deletes_in_reverse(engine: Engine, appset: Object) -> bool:
    """Whether Applications go step by step; the finalizer by which the ApplicationSet waits for that is put on it."""
    if not rolling.deletes_in_reverse(appset):
        return False
    meta = appset["metadata"]
    finalizers = meta.get("finalizers") or []
    if FINALIZER_FOREGROUND not in finalizers:
        wanted = {"uid": meta["uid"], "finalizers": [*finalizers, FINALIZER_FOREGROUND]}
        engine.clusters.control.merge_patch(_set_key(appset), {"metadata": wanted})
    return True


def _act(engine: Engine, appset: Object, plan: Plan, held: list[Object], lock: Lock) -> None:
    """Create, update, then delete. One that is refused does not hold up the others, but nothing is deleted then.

    Raises the first refusal, or LockLost before a write that is no longer ours.
    """
    client, check = engine.clusters.control, engine.state.locks.check
    live = {obj["metadata"]["name"]: obj for obj in held}
    refused: GitOpsError | None = None
    for obj in (*plan.create, *plan.update):
        check(lock)
        name = obj["metadata"]["name"]
        try:
            if name not in live:
                client.create(Manifest.of(obj))
            elif patch := _difference(live[name], obj):
                patch.setdefault("metadata", {})["uid"] = live[name]["metadata"]["uid"]
                client.merge_patch(_app_key(obj), patch)
        except GitOpsError as error:
            refused = refused or error
    if refused:
        raise refused
    _delete(engine, appset, plan.delete, lock)
    if not plan.empty:
        counts = {"created": len(plan.create), "updated": len(plan.update), "deleted": len(plan.delete)}
        logs.event(logger, "Applications generated", app=appset["metadata"]["name"], **counts)


def _delete(engine: Engine, appset: Object, apps: Iterable[Object], lock: Lock) -> None:
    """Delete Applications; with `preserveResourcesOnDeletion` what they manage stays."""
    client = engine.clusters.control
    preserve = ((appset["spec"].get("syncPolicy") or {}).get("preserveResourcesOnDeletion")) is True
    for obj in apps:
        meta = obj["metadata"]
        if meta.get("deletionTimestamp"):
            continue
        engine.state.locks.check(lock)
        if preserve and meta.get("finalizers"):
            client.merge_patch(_app_key(obj), {"metadata": {"uid": meta["uid"], "finalizers": None}})
        client.delete(_app_key(obj), uid=meta["uid"], propagation="Background")


def _difference(old: Object, new: Object) -> Object:
    """The JSON merge patch (RFC 7386) from one object to the other; lists are replaced."""
    patch: dict[str, Any] = {}
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            patch[key] = _difference(before, after)
        else:
            patch[key] = after
    return patch


def _end(engine: Engine, appset: Object, lock: Lock) -> None:
    """The ApplicationSet is being deleted: its Applications go with it by their owner, unless its policy keeps them.

    As in Argo CD, keeping them needs the finalizer on the ApplicationSet: without it the owner is gone before we look.
    With `deletionOrder: Reverse` they are deleted step by step here, and the ApplicationSet goes after the last one.
    """
    meta, client = appset["metadata"], engine.clusters.control
    finalizers = meta.get("finalizers") or []
    if FINALIZER_FOREGROUND not in finalizers:
        return
    if not Policy.of(appset).deletes:
        for obj in _existing(engine, appset, ()):
            engine.state.locks.check(lock)
            references = [e for e in obj["metadata"]["ownerReferences"] if e.get("uid") != meta["uid"]]
            patch = {"metadata": {"uid": obj["metadata"]["uid"], "ownerReferences": references or None}}
            client.merge_patch(_app_key(obj), patch)
    elif remaining := _next_to_go(engine, appset):
        _delete(engine, appset, remaining, lock)
        return
    rest = [name for name in finalizers if name != FINALIZER_FOREGROUND]
    client.merge_patch(_set_key(appset), {"metadata": {"uid": meta["uid"], "finalizers": rest or None}})


def _next_to_go(engine: Engine, appset: Object) -> tuple[Object, ...]:
    """The Applications whose turn it is to be deleted, or that are; none where the order is left to the server."""
    try:
        if not rolling.deletes_in_reverse(appset):
            return ()
        return rolling.deleted_first(rolling.steps_of(appset), _existing(engine, appset, ()))
    except InvalidSpecError:
        # A strategy that cannot be read holds up no deletion.
        return ()


# --- what is told ---


def _write(
    engine: Engine,
    appset: Object,
    error: GitOpsError | None,
    *,
    generated: bool,
    applications: list[Object] | None = None,
    rollout: rolling.Rollout | None = None,
) -> None:
    """Write `status` where it changes. Without `applications` the resources stay as they are."""
    present = appset.get("status") or {}
    complete = rollout.complete if rollout else None
    told = conditions(appset, error, datetime.now(UTC), generated=generated, rollout_complete=complete)
    status: Object = {"conditions": told}
    if rollout:
        status["applicationStatus"] = list(rollout.statuses)
    elif error is None and "applicationStatus" in present:
        status["applicationStatus"] = None
    if applications is not None:
        status["resources"] = resources(applications)
    if any(present.get(field) != value for field, value in status.items()):
        engine.clusters.control.merge_patch(_set_key(appset), {"status": status}, subresource="status")


def resources(applications: Iterable[Object]) -> list[Object]:
    """`status.resources`: the Applications by name; of thousands, those that are not well before the others."""
    by_name = sorted(applications, key=lambda obj: str(obj["metadata"]["name"]))
    return fitting([_resource(obj) for obj in by_name], RESOURCES_BYTES, statuses.matters)


def _resource(app: Object) -> Object:
    status, meta = app.get("status") or {}, app["metadata"]
    entry: Object = {
        "group": GROUP,
        "version": VERSION,
        "kind": "Application",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "status": (status.get("sync") or {}).get("status") or "Unknown",
    }
    if health := (status.get("health") or {}).get("status"):
        entry["health"] = {"status": health}
    return entry


def _key(set_id: str) -> ObjectKey:
    namespace, name = set_id.removeprefix(SET_PREFIX).split("/", 1)
    return ObjectKey(GROUP, "ApplicationSet", namespace, name)


def _set_key(appset: Object) -> ObjectKey:
    return ObjectKey(GROUP, "ApplicationSet", appset["metadata"]["namespace"], appset["metadata"]["name"])


def _app_key(app: Object) -> ObjectKey:
    return ObjectKey(GROUP, "Application", app["metadata"]["namespace"], app["metadata"]["name"])
