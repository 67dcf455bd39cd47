"""What the sync policy makes of a comparison: an operation, a later look, a condition, or nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from gitops.diff import OUT_OF_SYNC
from gitops.model.application import Operation
from gitops.model.objects import canonical, digest
from gitops.reconcile import operate, starting
from gitops.sync import ResourceState, SelfHealBackoff, decide

if TYPE_CHECKING:
    from gitops.reconcile.compare import Comparison
    from gitops.reconcile.engine import Engine
    from gitops.state.locks import Lock


def start(engine: Engine, comparison: Comparison, lock: Lock) -> bool:
    """Start the operation that the policy asks for, and make its first steps; False where it asks for none.

    Why nothing is started, if that is worth a condition, is added to the comparison's findings.
    """
    app, view, findings = comparison.app, comparison.view, comparison.findings
    if view is None or findings is None:
        return False
    states = [
        ResourceState(item.key, item.result.status, item.manifest is None)
        for item in view.items
        if item.result and item.result.status and not item.hook
    ]
    settings = engine.settings
    blocked = ""

    def in_window() -> bool:
        nonlocal blocked
        blocked = starting.blocked_by_window(engine, app, manual=False)
        return not blocked

    tried, _, circumstances = comparison.flags.tried.partition("|")
    now_is = _circumstances(engine, comparison) if findings.sync == OUT_OF_SYNC else ""
    decision = decide(
        app,
        findings.sync,
        comparison.desired.revisions,
        states,
        now=time.time(),
        in_window=in_window,
        backoff=SelfHealBackoff(settings.self_heal_backoff, 3.0, settings.self_heal_backoff_cap),
        unchanged=tried == comparison.desired.artifact,
        changed=bool(circumstances) and circumstances != now_is,
    )
    owned = frozenset({"SyncError"})
    if decision.condition:
        conditions = [*findings.conditions, ("SyncError", decision.condition)]
        comparison.findings = replace(findings, conditions=conditions, owned=owned)
    elif findings.sync == "Synced":
        comparison.findings = replace(findings, owned=owned)
    if decision.again_in is not None:
        engine.state.live.compare_at(app.id, time.time() + decision.again_in)
    if blocked:
        # Nothing else asks for another look when the window changes.
        seconds = starting.window_changes_in(engine, app)
        if seconds is not None:
            engine.state.live.compare_at(app.id, time.time() + seconds + 1.0)
    if decision.operation is None:
        return False
    operation, tried = Operation.model_validate(decision.operation), f"{comparison.desired.artifact}|{now_is}"
    record = starting.start(engine, app, operation, comparison.desired, tried=tried)
    operate.carry_on(engine, app, record, lock, comparison)
    return True


def _circumstances(engine: Engine, comparison: Comparison) -> str:
    """A digest of what decides an operation's outcome besides its revision: the spec, the project, and kinds that are
    not served.
    """
    app, artifact = comparison.app, comparison.artifact
    client = engine.clusters.update(engine.control).client(app.spec.destination)
    kinds = {(m.key.group, m.key.kind) for m in artifact.objects} if artifact else set()
    absent = sorted(kind for kind in kinds if client.discovery.has_status(*kind) is None)
    project = comparison.config.project(app)
    return digest(canonical([app.spec.to_api(), project.spec.to_api(), absent]))
