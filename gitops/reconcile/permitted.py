"""What a project says of an Application's objects (specs section 7): not permitted is Unknown, and never pruned."""

from __future__ import annotations

from gitops.cluster import ClusterClient, UnknownKind
from gitops.errors import ProjectDenied
from gitops.model.application import Destination
from gitops.model.objects import ObjectKey
from gitops.model.project import AppProject
from gitops.project import check_destination, denial
from gitops.reconcile.look import View
from gitops.reconcile.recording import RecordingClient


def why_not(
    project: AppProject,
    destination: Destination,
    server: str,
    client: ClusterClient | RecordingClient,
    key: ObjectKey,
    version: str = "",
) -> str:
    """Why the project does not permit an object in a destination on the cluster at `server`; empty where it does."""
    try:
        namespaced = bool(client.resource_for(key.group, key.kind, version or None).namespaced)
    except UnknownKind:
        namespaced = bool(key.namespace)
    reason = denial(project, key.group, key.kind, namespaced=namespaced, name=key.name)
    if not reason and namespaced and key.namespace and key.namespace != destination.namespace:
        try:
            check_destination(project, server, destination.name, key.namespace)
        except ProjectDenied as error:
            return str(error)
    return reason


def restrict(view: View, project: AppProject, destination: Destination, server: str, client: ClusterClient) -> None:
    """Mark what Git names and the project does not permit; what is live alone and not permitted is left out."""
    for item in view.items:
        item.permitted = not why_not(project, destination, server, client, item.key)
    view.items = [item for item in view.items if item.permitted or item.manifest]
