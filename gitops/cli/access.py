"""How the command line reaches Applications: the API server of a kubeconfig that was named, never a guessed one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gitops.cluster import ClusterClient, Connection
from gitops.errors import GitOpsError
from gitops.model.application import Application
from gitops.model.names import GROUP, VERSION
from gitops.model.objects import GVK, Object, ObjectKey

Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        envvar=["GITOPS_KUBECONFIG", "KUBECONFIG"], help="Kubeconfig of the control cluster; else in-cluster."
    ),
]
Namespace = Annotated[
    str, typer.Option("--app-namespace", "-N", envvar="GITOPS_NAMESPACE", help="Namespace of the Application.")
]
Output = Annotated[str, typer.Option("--output", "-o", help="json, yaml or wide.")]
Name = Annotated[str, typer.Argument(help="Application: NAME, or NAMESPACE/NAME.")]

KIND = GVK(GROUP, VERSION, "Application")


@dataclass(frozen=True, slots=True)
class Applications:
    """The Applications of one control cluster."""

    client: ClusterClient
    namespace: str

    @classmethod
    def at(cls, kubeconfig: Path | None, namespace: str) -> Applications:
        """Connect. Raises ClusterError where no cluster was named and this is none's pod."""
        if kubeconfig is not None and not kubeconfig.exists():
            raise GitOpsError(f"kubeconfig {kubeconfig} does not exist")
        return cls(ClusterClient(Connection.control(kubeconfig)), namespace)

    def key(self, name: str) -> ObjectKey:
        """The key of an application named with or without its namespace."""
        namespace, _, bare = name.rpartition("/")
        return ObjectKey(GROUP, "Application", namespace or self.namespace, bare)

    def get(self, name: str) -> Object:
        """One Application's CR. Raises GitOpsError where there is none."""
        key = self.key(name)
        obj = self.client.get(key)
        if obj is None:
            raise GitOpsError(
                f"Application {key.namespace}/{key.name} does not exist; `gitops app list` shows those that do"
            )
        return obj

    def read(self, name: str) -> Application:
        """One Application. Raises InvalidSpecError where its spec cannot be read."""
        return Application.from_object(self.get(name))

    def list(self, *, project: str = "", labels: str = "", everywhere: bool = False) -> list[Object]:
        """Applications by name."""
        found = self.client.list(KIND, namespace=None if everywhere else self.namespace, labels=labels or None)
        chosen = [o for o in found if not project or (o["spec"].get("project") or "default") == project]
        return sorted(chosen, key=lambda o: (o["metadata"]["namespace"], o["metadata"]["name"]))

    def patch(self, name: str, patch: Object) -> Object:
        """Merge-patch a CR."""
        return self.client.merge_patch(self.key(name), patch, field_manager="gitops-cli")


def user() -> str:
    """Who asks, for the audit trail."""
    return os.environ.get("USER") or os.environ.get("LOGNAME") or "cli"
