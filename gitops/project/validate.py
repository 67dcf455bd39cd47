"""Whether an Application may do what it asks for: decided before any repository is read (specs sections 1 and 7)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gitops.errors import InvalidSpecError, ProjectDenied
from gitops.model.application import Application, Source
from gitops.model.credentials import Cluster
from gitops.model.names import IN_CLUSTER_NAME, IN_CLUSTER_SERVER
from gitops.model.project import AppProject
from gitops.project.permissions import check_destination, check_source_namespace, check_sources, normalise_server

IN_CLUSTER = Cluster(name=IN_CLUSTER_NAME, server=IN_CLUSTER_SERVER)


def resolve_cluster(app: Application, clusters: Iterable[Cluster]) -> Cluster:
    """The cluster that an Application's destination names; without a cluster Secret the own one exists anyway.

    Raises InvalidSpecError where it names none, two, or one that is not known.
    """
    destination = app.spec.destination
    if destination.server and destination.name:
        raise InvalidSpecError(
            f"Application {app.id}: spec.destination has both server and name; keep one (name {destination.name!r})"
        )
    if not destination.server and not destination.name:
        raise InvalidSpecError(f"Application {app.id}: spec.destination names no cluster; set server or name")
    known = list(clusters)
    if destination.name:
        found = [cluster for cluster in known if cluster.name == destination.name]
        if len(found) > 1:
            raise InvalidSpecError(
                f"Application {app.id}: {len(found)} clusters are named {destination.name!r}; "
                "use spec.destination.server"
            )
        if not found and destination.name == IN_CLUSTER_NAME:
            return IN_CLUSTER
    else:
        server = normalise_server(destination.server)
        found = [cluster for cluster in known if normalise_server(cluster.server) == server]
        if not found and server == IN_CLUSTER_SERVER:
            return IN_CLUSTER
    if not found:
        raise InvalidSpecError(
            f"Application {app.id}: no cluster {destination.name or destination.server!r} is known; "
            "add a Secret of type cluster or correct spec.destination"
        )
    return found[0]


def check_path(app: Application, source: Source) -> None:
    """Raises InvalidSpecError for a path that leads out of the repository."""
    parts = re.split(r"[/\\]", source.path)
    if source.path.startswith("/") or ".." in parts:
        raise InvalidSpecError(f"Application {app.id}: the source path {source.path!r} leads out of the repository")


def validate_application(
    app: Application, project: AppProject, clusters: Iterable[Cluster] = (), *, control_namespace: str
) -> Cluster:
    """Everything that can be said of an Application without reading a repository; answers its destination cluster.

    Checks where the Application lives, each source (those of a pending operation too), the destination, and that a
    cluster which belongs to a project is used by that project alone.

    Raises InvalidSpecError or ProjectDenied, one sentence naming the field or rule.
    """
    if app.spec.project != project.name:
        raise InvalidSpecError(f"Application {app.id} belongs to project {app.spec.project}, not {project.name}")
    check_source_namespace(project, app.namespace, control_namespace)
    sources = list(app.all_sources)
    if app.operation and app.operation.sync:
        asked = app.operation.sync
        sources += [*asked.sources, *([asked.source] if asked.source else [])]
    for source in sources:
        check_path(app, source)
    check_sources(project, sources)
    cluster = resolve_cluster(app, clusters)
    check_destination(project, cluster.server, cluster.name, app.spec.destination.namespace)
    if cluster.project and cluster.project != project.name:
        raise ProjectDenied(
            f"cluster {cluster.name or cluster.server} belongs to project {cluster.project}; "
            f"project {project.name} may not use it"
        )
    if project.spec.permit_only_project_scoped_clusters and cluster.project != project.name:
        raise ProjectDenied(
            f"project {project.name} has permitOnlyProjectScopedClusters; cluster {cluster.name or cluster.server} "
            "does not belong to it"
        )
    return cluster
