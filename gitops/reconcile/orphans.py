"""Orphaned resources: what lies in a destination namespace and belongs to no application (specs section 3).

Only projects that ask for it (`orphanedResources`) cost anything: one list of each kind, metadata only, for a namespace
and `orphans_interval`, whatever the number of its applications. Nothing is ever deleted because of it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from gitops.cluster import ApiError, ClusterClient, UnknownKind, run_parallel
from gitops.diff import orphaned, orphaned_warning, top_level
from gitops.errors import GitOpsError
from gitops.model.objects import GVK, ObjectKey
from gitops.model.tracking import owner
from gitops.observe import logs
from gitops.project import permits
from gitops.reconcile.control import ControlConfig

if TYPE_CHECKING:
    from gitops.reconcile.compare import Comparison
    from gitops.reconcile.engine import Engine

logger = logging.getLogger("gitops.compare")

CONDITION = "OrphanedResourceWarning"
#: Kinds listed at a time.
LISTERS = 4
#: Seconds until another look, where somebody else lists the namespace just now.
SOON = 5.0
#: What controllers write beside the objects that it is about, group (or all of it) and kind.
_BY_THE_WAY = frozenset(
    {
        ("", "Event"),
        ("", "Endpoints"),
        ("events.k8s.io", "*"),
        ("discovery.k8s.io", "EndpointSlice"),
        ("coordination.k8s.io", "Lease"),
        ("metrics.k8s.io", "*"),
        ("custom.metrics.k8s.io", "*"),
        ("external.metrics.k8s.io", "*"),
    }
)


def warnings(engine: Engine, comparison: Comparison) -> list[tuple[str, str]]:
    """The OrphanedResourceWarning condition of an application, if its project asks for one and there is reason to."""
    app, config = comparison.app, comparison.config
    project, namespace = config.project(app), app.spec.destination.namespace
    wanted = project.spec.orphaned_resources
    if wanted is None or not namespace:
        return []
    clusters = engine.clusters.update(engine.control)
    server = clusters.find(app.spec.destination).server
    strays = engine.state.strays.get(server, namespace)
    again = engine.settings.orphans_interval
    if strays is None and engine.state.strays.claim(server, namespace):
        try:
            strays = _list(clusters.client(app.spec.destination), namespace, config)
            engine.state.strays.put(server, namespace, strays, again)
        except GitOpsError as error:
            logs.event(logger, f"cannot look for orphaned resources: {error}", logging.WARNING, app=app.id)
        finally:
            engine.state.strays.release(server, namespace)
    elif strays is None:
        again = SOON
    engine.state.live.compare_at(app.id, time.time() + again)
    if strays is None:
        present = app.status.get("conditions") or []
        return [(CONDITION, str(c["message"])) for c in present if c.get("type") == CONDITION]
    found = orphaned(
        strays, wanted, permits=lambda key: permits(project, key.group, key.kind, namespaced=True, name=key.name)
    )
    text = orphaned_warning(found, wanted)
    return [(CONDITION, text)] if text else []


def _list(client: ClusterClient, namespace: str, config: ControlConfig) -> list[ObjectKey]:
    """Everything at the top of a namespace that no application owns. Raises ClusterError."""
    kinds = [
        GVK(resource.group, resource.versions[0], resource.kind)
        for resource in client.discovery.resources()
        if resource.namespaced
        and "list" in resource.verbs
        and not {(resource.group, resource.kind), (resource.group, "*")} & _BY_THE_WAY
        and not config.excluded(GVK(resource.group, resource.versions[0], resource.kind))
    ]

    def read(kind: GVK) -> list[tuple[str, ObjectKey]]:
        live = client.list(kind, namespace=namespace, metadata_only=True)
        free = top_level(
            live,
            is_owned=lambda obj: bool(owner(obj, config.tracking, config.instance_label, config.installation_id)),
        )
        return [(str(obj["metadata"].get("uid")), key) for key, obj in free]

    found: dict[str, ObjectKey] = {}
    for outcome in run_parallel(read, kinds, LISTERS):
        if isinstance(outcome.error, UnknownKind):
            continue
        if isinstance(outcome.error, ApiError) and outcome.error.status in (403, 404, 405):
            # What may not be seen is not told of; what went meanwhile is no orphan.
            continue
        if outcome.error is not None:
            raise outcome.error
        for uid, key in outcome.value or ():
            # One object may be served in two groups.
            found.setdefault(uid, key)
    return sorted(found.values())
