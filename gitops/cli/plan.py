"""`gitops plan PATH`: the ordered steps of a first sync of a directory, without a cluster."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gitops.cli import show
from gitops.cli.render import RenderJob, read_app
from gitops.errors import InvalidSpecError
from gitops.model.application import Application, SyncOperation
from gitops.model.artifact import Artifact
from gitops.model.objects import Object, gvk_of
from gitops.settings import settings
from gitops.source.finishing import finish
from gitops.source.options import plugins_of, renderer_of
from gitops.sync import Pair, describe
from gitops.sync import plan as make_plan

#: Kinds of Kubernetes itself that live in no namespace, by group.
CLUSTER_SCOPED = {
    "": "Namespace Node PersistentVolume ComponentStatus",
    "admissionregistration.k8s.io": (
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration "
        "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding "
        "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding"
    ),
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "apiregistration.k8s.io": "APIService",
    "certificates.k8s.io": "CertificateSigningRequest ClusterTrustBundle",
    "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
    "networking.k8s.io": "IngressClass IPAddress ServiceCIDR",
    "node.k8s.io": "RuntimeClass",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
    "resource.k8s.io": "DeviceClass ResourceSlice",
    "scheduling.k8s.io": "PriorityClass",
    "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass",
}


def plan(
    path: Annotated[Path, typer.Argument(help="Directory to plan the first sync of.")],
    app: Annotated[Path | None, typer.Option("--app", help="An Application whose spec to use.")] = None,
    namespace: Annotated[str, typer.Option("-n", "--namespace", help="Destination namespace.")] = "default",
    output: Annotated[str, typer.Option("-o", "--output", help="json, yaml or a table.")] = "",
) -> None:
    """Print the ordered steps of a first sync: phase, wave, kind, name, and what the next step waits for."""
    application = read_app(app) if app else _application(path, namespace)
    rows = steps(path, application, given=app is not None)
    if show.data(rows, output):
        return
    lines = [list(COLUMNS), *(line(row) for row in rows)]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(COLUMNS))]
    for cells in lines:
        print("   ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


#: What is shown of a step.
COLUMNS = ("STEP", "PHASE", "WAVE", "KIND", "NAMESPACE", "NAME", "ACTION", "WAITS FOR")


def line(row: dict[str, Any]) -> list[str]:
    """One object as a line for people; the group is part of the kind, as kubectl writes it."""
    kind = f"{row['kind']}.{row['group']}" if row["group"] else row["kind"]
    cells = [
        row["step"],
        row["phase"],
        row["wave"],
        kind,
        row["namespace"],
        row["name"],
        row["action"],
        row["waitsFor"],
    ]
    return [str(cell) for cell in cells]


def steps(path: Path, app: Application, *, given: bool) -> list[dict[str, Any]]:
    """The steps of a first sync of `path`; `given`: the Application's own source spec is used.

    Raises GitOpsError naming what cannot be rendered.
    """
    renderer = renderer_of(settings())
    job = RenderJob(renderer, app if given else None, {}, plugins_of(settings()), "", (), "")
    try:
        rendered = [renderer.render(job.request(path, source)) for source in app.all_sources if source.renders]
    finally:
        renderer.close()
    scopes = _scopes([obj for one in rendered for obj in one.objects])
    manifests, _ = finish(
        rendered, app, scope=lambda gvk: scopes.get((gvk.group, gvk.kind)), control_namespace=app.namespace
    )
    artifact = Artifact("", ("Directory",), manifests)
    pairs = [Pair(manifest, None) for manifest in manifests]
    made = make_plan(pairs, app, SyncOperation(prune=True), started_at=datetime.now(UTC), revision="HEAD")
    return describe(made, artifact)


def _scopes(objects: list[Object]) -> dict[tuple[str, str], bool]:
    """Whether a kind is namespaced, by what is known without a cluster: Kubernetes' kinds, CRDs among the objects."""
    scopes = {(group, kind): False for group, kinds in CLUSTER_SCOPED.items() for kind in kinds.split()}
    for obj in objects:
        if gvk_of(obj)[::2] == ("apiextensions.k8s.io", "CustomResourceDefinition"):
            spec = obj.get("spec") or {}
            kind = (str(spec.get("group")), str((spec.get("names") or {}).get("kind")))
            scopes[kind] = spec.get("scope") != "Cluster"
    return scopes


def _application(path: Path, namespace: str) -> Application:
    # Not Path.is_dir, which raises where a name is too long or a folder above may not be entered.
    if not os.path.isdir(path):
        raise InvalidSpecError(f"{path} is not a directory")
    return Application.from_object(
        {
            "metadata": {"name": path.resolve().name.lower(), "namespace": "argocd"},
            "spec": {"source": {"repoURL": "local", "path": "."}, "destination": {"namespace": namespace}},
        }
    )


if __name__ == "__main__":
    typer.run(plan)
