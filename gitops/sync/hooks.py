"""What an object's annotations say about when it is synced: hook phases, delete policies, wave (specs section 5)."""

from __future__ import annotations

from enum import StrEnum

from gitops.model.names import (
    HELM_HOOK,
    HELM_HOOK_DELETE_POLICY,
    HELM_HOOK_WEIGHT,
    HOOK,
    HOOK_DELETE_POLICY,
    SYNC_WAVE,
)
from gitops.model.objects import Object, annotations_of


class Phase(StrEnum):
    """The phases of a sync, in their order, and the two of an Application's deletion."""

    PRE_SYNC = "PreSync"
    SYNC = "Sync"
    POST_SYNC = "PostSync"
    SYNC_FAIL = "SyncFail"
    PRE_DELETE = "PreDelete"
    POST_DELETE = "PostDelete"


SYNC_PHASES = (Phase.PRE_SYNC, Phase.SYNC, Phase.POST_SYNC, Phase.SYNC_FAIL)
SKIP = "Skip"
_PHASES = frozenset(str(phase) for phase in Phase)


class DeletePolicy(StrEnum):
    """When the object of a hook is deleted."""

    HOOK_SUCCEEDED = "HookSucceeded"
    HOOK_FAILED = "HookFailed"
    BEFORE_HOOK_CREATION = "BeforeHookCreation"


_POLICIES = frozenset(str(policy) for policy in DeletePolicy)
_HELM_PHASES = {
    "pre-install": Phase.PRE_SYNC,
    "pre-upgrade": Phase.PRE_SYNC,
    "post-install": Phase.POST_SYNC,
    "post-upgrade": Phase.POST_SYNC,
    "pre-delete": Phase.PRE_DELETE,
    "post-delete": Phase.POST_DELETE,
}
#: Helm hooks that are ordinary resources to us.
_HELM_RESOURCE = "crd-install"
_HELM_POLICIES = {
    "before-hook-creation": DeletePolicy.BEFORE_HOOK_CREATION,
    "hook-succeeded": DeletePolicy.HOOK_SUCCEEDED,
    "hook-failed": DeletePolicy.HOOK_FAILED,
}


def csv(value: object) -> list[str]:
    """The entries of a comma-separated annotation, trimmed, without empty ones."""
    return [entry for part in str(value or "").split(",") if (entry := part.strip())]


def hook_phases(obj: Object) -> tuple[Phase, ...] | None:
    """The phases that an object is a hook of, in their order.

    None: an ordinary resource. An empty tuple: not applied by anything (`Skip`, a Helm test, a hook annotation
    without a known type). `Skip` together with a phase counts for nothing. Helm's annotation counts only where Argo's
    names no type.
    """
    annotations = annotations_of(obj)
    argo = csv(annotations.get(HOOK))
    named = {entry for entry in argo if entry in _PHASES} | {SKIP for entry in argo if entry == SKIP}
    if named:
        return tuple(phase for phase in Phase if phase in named)
    helm = csv(annotations.get(HELM_HOOK))
    if _HELM_RESOURCE in helm:
        return None
    if helm:
        found = {_HELM_PHASES[entry] for entry in helm if entry in _HELM_PHASES}
        return tuple(phase for phase in Phase if phase in found)
    return () if HOOK in annotations else None


def is_hook(obj: Object) -> bool:
    """Whether the object is a hook, or kept out of the sync like one (`Skip`): it has no sync status of its own."""
    return hook_phases(obj) is not None


def delete_policies(obj: Object) -> tuple[DeletePolicy, ...]:
    """The delete policies of a hook; where none is valid, BeforeHookCreation."""
    annotations = annotations_of(obj)
    found = {DeletePolicy(entry) for entry in csv(annotations.get(HOOK_DELETE_POLICY)) if entry in _POLICIES}
    found |= {_HELM_POLICIES[e] for e in csv(annotations.get(HELM_HOOK_DELETE_POLICY)) if e in _HELM_POLICIES}
    return tuple(policy for policy in DeletePolicy if policy in found) or (DeletePolicy.BEFORE_HOOK_CREATION,)


def wave(obj: Object) -> int:
    """The sync wave: Argo's annotation, else the Helm hook weight, else 0; what is no integer counts as absent."""
    annotations = annotations_of(obj)
    for name in (SYNC_WAVE, HELM_HOOK_WEIGHT):
        try:
            return int(str(annotations[name]).strip())
        except (KeyError, ValueError):
            continue
    return 0


def generated_name(prefix: str, revision: str, phase: Phase, started: int) -> str:
    """The name of a hook that has `generateName` only.

    `started` is the operation's start in Unix seconds; a revision shorter than 8 characters is used whole.
    """
    short = revision[:7] if len(revision) >= 8 else revision
    return prefix + f"{short}-{phase}-{started}".lower()
