"""An Application's rendered objects beside the live ones: what `gitops app diff` and a dry run are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gitops.cli.access import Applications
from gitops.cluster import ClusterClient
from gitops.diff import IgnoreRules, unified
from gitops.errors import GitOpsError
from gitops.model.application import Application, SyncOperation
from gitops.model.artifact import Artifact
from gitops.model.objects import ObjectKey
from gitops.reconcile.clusters import registry
from gitops.reconcile.control import ControlConfig
from gitops.reconcile.look import Item, Looker
from gitops.reconcile.permitted import why_not
from gitops.settings import Settings
from gitops.state import State
from gitops.state.live import Snapshot
from gitops.sync import Pair, describe, plan


@dataclass(frozen=True, slots=True)
class Beside:
    """One Application: the Artifact that was rendered last, and its cluster."""

    app: Application
    revision: str
    artifact: Artifact
    client: ClusterClient
    config: ControlConfig
    rules: IgnoreRules
    namespace: str
    server: str

    @classmethod
    def of(cls, applications: Applications, name: str, kubeconfig: Path | None) -> Beside:
        """Reads the Artifact from Redis. Raises GitOpsError where nothing was rendered yet, with the reason."""
        app = applications.read(name)
        settings = Settings(kubeconfig=kubeconfig, namespace=applications.namespace)
        state = State(settings)
        desired = state.apps.desired(app.id)
        artifact = state.artifacts.get(desired.artifact) if desired else None
        if desired is None or artifact is None:
            reason = desired.error[1] if desired and desired.error else f"`gitops app refresh {name}` renders it"
            raise GitOpsError(f"Application {app.id} has no rendered objects: {reason}")
        clusters, control = registry(settings, state)
        config = control.get()
        known = clusters.update(control)
        return cls(
            app,
            desired.revisions[0] if desired.revisions else "",
            artifact,
            known.client(app.spec.destination),
            config,
            IgnoreRules.build(app.spec.ignore_differences, config.settings),
            settings.namespace,
            known.find(app.spec.destination).server,
        )

    def items(self) -> list[Item]:
        """Every object, read and compared now."""
        instance = self.app.instance(self.namespace)
        looker = Looker(self.client, instance, self.config, self.rules, self.config.health_checks)
        rows = [row for row in self.app.status.get("resources") or [] if not row.get("hook")]
        former = [ObjectKey(*(row.get(part, "") for part in ("group", "kind", "namespace", "name"))) for row in rows]
        return looker.look(self.artifact, Snapshot("0"), former, full=True).items

    def differences(self) -> list[str]:
        """One text for each object that differs, Secret values masked."""
        texts = []
        for item in self.items():
            if item.hook or item.result is None or item.result.status in {"", "Synced"}:
                continue
            target = item.manifest.load() if item.manifest else None
            texts.append(unified(target, item.live))
        return texts

    def steps(self, sync: SyncOperation) -> list[dict[str, Any]]:
        """The ordered steps that a sync would make against what is live (see `gitops plan`)."""
        pairs = [
            Pair(item.manifest, item.live, bool(item.result and item.result.status == "Synced"))
            for item in self.items()
        ]
        project, destination = self.config.project(self.app), self.app.spec.destination
        made = plan(
            pairs,
            self.app,
            sync,
            started_at=datetime.now(UTC),
            revision=self.revision,
            permits=lambda key, version: why_not(project, destination, self.server, self.client, key, version),
        )
        return describe(made, self.artifact)
