"""The AppProject resource (specs section 7)."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from gitops.model.application import Destination
from gitops.model.base import ApiModel, parse
from gitops.model.objects import Object


class GroupKind(ApiModel):
    group: str = ""
    kind: str = ""
    name: str = ""


class SyncWindow(ApiModel):
    kind: str = "allow"
    schedule: str = ""
    duration: str = ""
    applications: list[str] = []
    namespaces: list[str] = []
    clusters: list[str] = []
    manual_sync: bool = False
    time_zone: str = ""
    and_operator: bool = False
    sync_overrun: bool = False
    description: str = ""


class OrphanedResources(ApiModel):
    warn: bool | None = None
    ignore: list[GroupKind] = []


class SignatureKey(ApiModel):
    key_id: str = Field("", alias="keyID")


class DestinationServiceAccount(ApiModel):
    server: str = ""
    namespace: str = ""
    default_service_account: str = ""


class ProjectSpec(ApiModel):
    source_repos: list[str] = []
    destinations: list[Destination] = []
    source_namespaces: list[str] = []
    description: str = ""
    cluster_resource_whitelist: list[GroupKind] = []
    cluster_resource_blacklist: list[GroupKind] = []
    #: None means everything is allowed, an empty list nothing.
    namespace_resource_whitelist: list[GroupKind] | None = None
    namespace_resource_blacklist: list[GroupKind] = []
    sync_windows: list[SyncWindow] = []
    orphaned_resources: OrphanedResources | None = None
    signature_keys: list[SignatureKey] = []
    permit_only_project_scoped_clusters: bool = False
    destination_service_accounts: list[DestinationServiceAccount] = []


class AppProject(ApiModel):
    metadata: dict[str, Any]
    spec: ProjectSpec

    @classmethod
    def from_object(cls, obj: Object) -> Self:
        """Read a live AppProject. Raises InvalidSpecError naming the field that cannot be read."""
        return parse(cls, obj, f"AppProject {(obj.get('metadata') or {}).get('name')}")

    @property
    def name(self) -> str:
        return str(self.metadata.get("name") or "")


def default_project(namespace: str) -> AppProject:
    """The project `default` where the cluster has none: everything is permitted (specs section 7)."""
    return AppProject.from_object(
        {
            "metadata": {"name": "default", "namespace": namespace},
            "spec": {
                "sourceRepos": ["*"],
                "destinations": [{"server": "*", "name": "*", "namespace": "*"}],
                "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
            },
        }
    )
