"""`status.conditions` of an ApplicationSet: ErrorOccurred, ParametersGenerated, ResourcesUpToDate, and a rollout's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gitops.model.objects import Object


def conditions(
    appset: Object,
    error: Exception | None,
    now: datetime,
    *,
    generated: bool = True,
    rollout_complete: bool | None = None,
) -> list[dict[str, Any]]:
    """The conditions after a run. A transition time moves only where a condition's status, reason or message does.

    `error` is what stopped the run (its text is one sentence), None where all is done; `generated` whether the
    parameters had been generated before that; `rollout_complete` how a RollingSync stands, None where there is none.
    """
    message = str(error) if error else ""
    failed_early = error is not None and not generated
    wanted = [
        _condition(
            "ErrorOccurred",
            bool(error),
            "ApplicationGenerationError" if error else "ApplicationSetUpToDate",
            message or "All applications have been generated successfully",
        ),
        _condition(
            "ParametersGenerated",
            not failed_early,
            "ErrorOccurred" if failed_early else "ParametersGenerated",
            message if failed_early else "Successfully generated parameters for all Applications",
        ),
        _condition(
            "ResourcesUpToDate",
            error is None,
            "ErrorOccurred" if error else "ApplicationSetUpToDate",
            message or "ApplicationSet up to date",
        ),
    ]
    if rollout_complete is not None:
        reason = "ApplicationSetRolloutComplete" if rollout_complete else "ApplicationSetModified"
        sentence = (
            "ApplicationSet Rollout has completed" if rollout_complete else "ApplicationSet is performing rollout"
        )
        wanted.append(_condition("RolloutProgressing", not rollout_complete, reason, sentence))
    held = {entry.get("type"): entry for entry in (appset.get("status") or {}).get("conditions") or ()}
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for entry in wanted:
        before = held.get(entry["type"]) or {}
        same = all(before.get(key) == entry[key] for key in ("status", "reason", "message"))
        entry["lastTransitionTime"] = before.get("lastTransitionTime", stamp) if same else stamp
    return wanted


def _condition(name: str, holds: bool, reason: str, message: str) -> dict[str, Any]:
    return {"type": name, "status": "True" if holds else "False", "reason": reason, "message": message}
