"""A RollingSync under way: which Applications are behind, and the operations that take the next ones along."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitops.applicationset import Plan, rolling
from gitops.cluster import ApiError
from gitops.errors import GitOpsError, RevisionError
from gitops.model.application import Application
from gitops.model.names import GROUP
from gitops.model.objects import Object, ObjectKey
from gitops.observe import logs
from gitops.reconcile import starting
from gitops.source.git import Refs
from gitops.state.due import Tracked
from gitops.state.locks import Lock
from gitops.state.queue import FETCH, Rank

if TYPE_CHECKING:
    from gitops.reconcile.engine import Engine

logger = logging.getLogger("gitops.generate")


def plan(
    engine: Engine,
    appset: Object,
    steps: Sequence[rolling.Step],
    wanted: Iterable[Object],
    made: Plan,
    held: Iterable[Object],
) -> rolling.Rollout:
    """How the rollout stands now, in the order of the generated Applications; `made` was just carried out.

    Nothing is started by this: that follows once the status says so.
    """
    live = {app["metadata"]["name"]: app for app in held}
    changed = {app["metadata"]["name"] for app in (*made.create, *made.update)}
    apps = [live.get(app["metadata"]["name"], app) for app in wanted]
    refs: dict[str, Refs | None] = {}
    stale = {app["metadata"]["name"] for app in apps if _is_behind(engine, app, refs)}
    return rolling.roll(appset, steps, apps, datetime.now(UTC), stale | changed)


def _is_behind(engine: Engine, app: Object, refs: dict[str, Refs | None]) -> bool:
    """Whether a newer revision than the status speaks of is known: of its last fetch, or of its repository."""
    desired = engine.state.apps.desired(_id(app))
    sync = (app.get("status") or {}).get("sync") or {}
    told = tuple(sync.get("revisions") or ([sync["revision"]] if sync.get("revision") else []))
    if desired is None or told != desired.revisions:
        return True
    return any(_has_moved(engine, tracked, refs) for tracked in desired.tracked) and not _has_tag_prefix(app)


def _has_moved(engine: Engine, tracked: Tracked, refs: dict[str, Refs | None]) -> bool:
    if tracked.url not in refs:
        known = engine.state.refs.get(tracked.url)
        refs[tracked.url] = Refs.from_json(known.refs) if known and known.refs else None
    found = refs[tracked.url]
    try:
        newest = found.resolve(tracked.ref) if found else ""
    except RevisionError:
        return False
    return bool(newest) and not tracked.revision.startswith(str(newest))


def _has_tag_prefix(app: Object) -> bool:
    """With a tag prefix only a fetch can tell what the newest revision is."""
    spec = app.get("spec") or {}
    return any(source.get("tagPrefix") for source in (*(spec.get("sources") or ()), spec.get("source") or {}))


def start(engine: Engine, appset: Object, rollout: rolling.Rollout, lock: Lock) -> None:
    """Ask the Applications whose turn it is to sync, by the CR's `operation`; one that a window blocks waits."""
    namespace = appset["metadata"]["namespace"]
    for name in rollout.start:
        key = ObjectKey(GROUP, "Application", namespace, name)
        obj = engine.clusters.control.get(key)
        if obj is None or obj.get("operation"):
            continue
        engine.state.locks.check(lock)
        version = obj["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "operation": rolling.operation(obj)}
        try:
            if starting.blocked_by_window(engine, Application.from_object(obj), manual=False):
                continue
            changed = engine.clusters.control.merge_patch(key, patch)
        except ApiError as error:
            if error.conflict or error.not_found:
                continue  # its change has us look again
            raise
        except GitOpsError as error:
            logs.event(logger, f"not synced: {error}", logging.WARNING, app=_id(obj))
            continue
        engine.state.apps.put(_id(obj), changed)
        engine.state.queue.want(FETCH, _id(obj), Rank.DRIFT)
        logs.event(logger, "its turn in the rollout", app=_id(obj), set=appset["metadata"]["name"])


def _id(app: Object) -> str:
    return f"{app['metadata']['namespace']}/{app['metadata']['name']}"
