"""Auto-sync: whether a comparison's outcome starts an operation, in the order of specs section 5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gitops.model.application import Application, Operation, operation_state
from gitops.model.objects import ObjectKey
from gitops.sync.ports import SUCCEEDED
from gitops.sync.record import parse_time

#: Attempts of an automatic operation whose Application names no `retry`.
AUTO_RETRY_LIMIT = 5
OUT_OF_SYNC = "OutOfSync"
SYNCED = "Synced"


class ResourceState(NamedTuple):
    """What the comparison says of one own, non-hook object."""

    key: ObjectKey
    status: str
    requires_pruning: bool = False


@dataclass(frozen=True, slots=True)
class SelfHealBackoff:
    """Seconds between two automatic heals of one revision: initial x factor^attempts, at most `cap`."""

    initial: float = 2.0
    factor: float = 3.0
    cap: float = 300.0
    #: A fixed pause instead, where `initial` is 0.
    fixed: float = 0.0

    def pause(self, attempts: int) -> float:
        """Seconds after the `attempts`-th heal (0: after the first sync of a revision, which needs no pause)."""
        if self.initial <= 0:
            return self.fixed
        return min(self.cap, self.initial * self.factor ** min(attempts - 1, 64)) if attempts > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do. At most one of `operation`, `condition` and `again_in` is set; all unset: nothing."""

    operation: dict[str, Any] | None = None
    #: The text of a SyncError condition.
    condition: str = ""
    #: Seconds after which to decide again.
    again_in: float | None = None
    #: Why nothing is done, for the log.
    reason: str = ""


def decide(  # noqa: PLR0911 - one outcome each
    app: Application,
    sync_status: str,
    revisions: Sequence[str],
    resources: Sequence[ResourceState],
    *,
    now: float,
    in_window: Callable[[], bool] = lambda: True,
    backoff: SelfHealBackoff | None = None,
    unchanged: bool = False,
    changed: bool = False,
) -> Decision:
    """Decide on auto-sync.

    Takes the Application, the comparison's sync status, the resolved revision of each source, the objects' states, Unix
    seconds, whether a sync window permits it, and whether the revision is known to change nothing for this Application
    (`unchanged`; it then counts as the one that was tried), and whether something else that decides an operation's
    outcome is not what it was at the last attempt (`changed`; what failed then is tried again).
    """
    automated = app.spec.sync_policy.automated
    if automated is None or not automated.enabled:
        return Decision(reason="auto-sync is off")
    if app.operation is not None or operation_state(app).get("phase") in ("Running", "Terminating"):
        return Decision(reason="another operation is in progress")
    if app.deleting:
        return Decision(reason="the application is being deleted")
    if sync_status != OUT_OF_SYNC:
        return Decision(reason=f"the sync status is {sync_status}")
    differing = [resource for resource in resources if resource.status != SYNCED]
    if not automated.prune and differing and all(resource.requires_pruning for resource in differing):
        return Decision(reason="only pruning is left to do, and automated.prune is off")
    if not in_window():
        return Decision(reason="no sync window permits it")
    selected: list[ResourceState] = []
    attempts = 0
    state = operation_state(app)
    failed = state.get("phase") != SUCCEEDED
    # Nothing differs but the metadata of the managed namespace, or what failed may go well by now: a new attempt.
    if differing and not (failed and changed) and _attempted(app, state, revisions, unchanged):
        if failed:
            return Decision(
                condition=f"Failed last sync attempt to {_names(revisions)}: {state.get('message') or ''}",
                reason="the same revision and source failed before",
            )
        if not automated.self_heal:
            return Decision(reason="the revision is applied already, and automated.selfHeal is off")
        before = int(((state.get("operation") or {}).get("sync") or {}).get("autoHealAttemptsCount") or 0)
        rest = (backoff or SelfHealBackoff()).pause(before) - (now - _finished(state, now))
        if rest > 0:
            return Decision(again_in=rest, reason="the self-heal backoff is not over")
        selected, attempts = differing, before + 1
    if automated.prune and not automated.allow_empty and resources and all(r.requires_pruning for r in resources):
        return Decision(
            condition=f"Skipping sync attempt to {_names(revisions)}: auto-sync will wipe out all resources",
            reason="everything would be pruned",
        )
    return Decision(operation=_operation(app, revisions, selected, attempts), reason="out of sync")


def _operation(
    app: Application, revisions: Sequence[str], selected: Sequence[ResourceState], attempts: int
) -> dict[str, Any]:
    policy = app.spec.sync_policy
    assert policy.automated is not None
    sync: dict[str, Any] = {"prune": policy.automated.prune}
    if app.is_multi_source:
        sync["revisions"] = list(revisions)
    else:
        sync["revision"] = revisions[0] if revisions else ""
    if policy.sync_options:
        sync["syncOptions"] = list(policy.sync_options)
    if selected:
        sync["resources"] = [
            {"group": r.key.group, "kind": r.key.kind, "name": r.key.name}
            | ({"namespace": r.key.namespace} if r.key.namespace else {})
            for r in selected
        ]
    if attempts:
        sync["autoHealAttemptsCount"] = attempts
    retry = policy.retry.to_api() if policy.retry else {"limit": AUTO_RETRY_LIMIT}
    wire = {"sync": sync, "initiatedBy": {"automated": True}, "retry": retry}
    return Operation.model_validate(wire).to_api()


def _attempted(app: Application, state: dict[str, Any], revisions: Sequence[str], unchanged: bool) -> bool:
    """Whether the last operation was of the same source and the same revision(s)."""
    result = state.get("syncResult") or {}
    if not result:
        return False
    if app.is_multi_source:
        tried, source = list(result.get("revisions") or []), result.get("sources")
        same = [_bare(s) for s in source or []] == [_bare(s.to_api()) for s in app.spec.sources]
    else:
        tried, source = [result.get("revision") or ""], result.get("source")
        same = app.spec.source is not None and _bare(source or {}) == _bare(app.spec.source.to_api())
    return same and (unchanged or tried == list(revisions))


def _bare(value: Any) -> Any:
    """A source without empty fields, which count as absent."""
    if isinstance(value, dict):
        return {
            name: inner for name, entry in value.items() if (inner := _bare(entry)) not in (None, "", [], {}, False)
        }
    return [_bare(entry) for entry in value] if isinstance(value, list) else value


def _finished(state: dict[str, Any], now: float) -> float:
    try:
        return parse_time(str(state["finishedAt"])).timestamp()
    except (KeyError, ValueError):
        return now


def _names(revisions: Sequence[str]) -> str:
    return revisions[0] if len(revisions) == 1 else f"[{', '.join(revisions)}]"
