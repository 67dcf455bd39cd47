"""`gitops app diff`: the rendered objects beside the live ones."""

from __future__ import annotations

from pathlib import Path

from gitops.cli.access import Applications
from gitops.diff import IgnoreRules, Verdict, compare, unified
from gitops.errors import GitOpsError
from gitops.model.application import Application
from gitops.model.objects import Object
from gitops.reconcile.clusters import registry
from gitops.settings import Settings
from gitops.state import State


def differences(applications: Applications, name: str, kubeconfig: Path | None) -> list[str]:
    """One text for each object that differs. Raises GitOpsError where nothing was rendered yet."""
    app = applications.read(name)
    settings = Settings(kubeconfig=kubeconfig, namespace=applications.namespace)
    state = State(settings, lambda *_: b"")
    desired = state.apps.desired(app.id)
    artifact = state.artifacts.get(desired.artifact) if desired else None
    if artifact is None:
        reason = desired.error[1] if desired and desired.error else f"`gitops app refresh {name}` renders it"
        raise GitOpsError(f"Application {app.id} has no rendered objects: {reason}")
    clusters, control = registry(settings, state)
    client = clusters.update(control).client(app.spec.destination)
    config = control.get()
    rules = IgnoreRules.build(app.spec.ignore_differences, config.settings)
    texts = []
    for manifest in artifact.objects:
        target, live = manifest.load(), client.get(manifest.key, version=manifest.version)
        found = compare(target, live, rules, method=config.tracking, label_key=config.instance_label)
        if found.verdict is Verdict.ASK and live is not None:
            predicted = client.apply(manifest, dry_run=True)
            found = compare(
                target, live, rules, predicted=predicted, method=config.tracking, label_key=config.instance_label
            )
        if found.verdict is not Verdict.SAME:
            texts.append(unified(target, live))
    texts += [unified(None, live) for live in _extras(app, client_get=client.get)]
    return texts


def _extras(app: Application, client_get: object) -> list[Object]:
    from collections.abc import Callable
    from typing import Any, cast

    from gitops.model.objects import ObjectKey

    get = cast(Callable[[ObjectKey], Any], client_get)
    rows = [r for r in app.status.get("resources") or [] if r.get("requiresPruning")]
    found = [get(ObjectKey(r.get("group", ""), r["kind"], r.get("namespace", ""), r["name"])) for r in rows]
    return [obj for obj in found if obj]
