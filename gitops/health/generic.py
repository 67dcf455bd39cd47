"""The generic rule: the health of a kind that nobody wrote a rule for, out of the tables in `facts`.

`conditions` and `fields` look at one sort of evidence each and tell what it says, as (health word, why). The worst
evidence decides; where the object holds none, the status itself does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops.health import conditions, facts, fields
from gitops.health.conditions import Evidence
from gitops.health.reading import metadata, section, whole_number
from gitops.health.statusless import has_no_status
from gitops.model.health import DEGRADED, HEALTHY, MISSING, PROGRESSING, SUSPENDED, UNKNOWN, Health
from gitops.model.objects import Object

#: What wins among the evidence of one object, worst first. A pause explains an unfinished rollout, not a failure.
_WORST_FIRST = (DEGRADED, MISSING, SUSPENDED, PROGRESSING, UNKNOWN, HEALTHY)
_RANK = {word: rank for rank, word in enumerate(_WORST_FIRST)}
#: No value of PAUSE_MARKS is as long; what kubectl keeps in annotations is.
_LONGEST_MARK = 16


def assess_generic(obj: Object, group: str, kind: str) -> Health | None:
    """The health by the API conventions; None where the kind is known to have no status."""
    status, spec = obj.get("status"), section(obj, "spec")
    if paused := _paused(spec) or _paused_by_mark(obj):
        return Health(SUSPENDED, f"{paused} is set", "generic/suspended")
    if not status:
        return None if has_no_status(group, kind) else Health(PROGRESSING, "Waiting for a status", "generic/no-status")
    runs = fields.runs_to_completion(kind)
    return _of_status(status, spec, obj, runs) if isinstance(status, dict) else _of_word(str(status), runs)


def _of_word(status: str, runs: bool) -> Health:
    return Health(*fields.state(status, runs), "generic/state")


def _of_status(status: Mapping[str, Any], spec: Mapping[str, Any], obj: Object, runs: bool) -> Health:
    generation = whole_number((obj.get("metadata") or {}).get("generation"))
    if generation is not None and _is_behind(status, generation):
        return Health(PROGRESSING, "The controller has not yet seen the newest generation", "generic/generation")
    found = _evidence(status, spec, generation, runs)
    if found:
        return Health(*min(found, key=lambda evidence: _RANK[evidence[0]]), "generic/status")
    return _without_evidence(status, generation)


def _without_evidence(status: Mapping[str, Any], generation: int | None) -> Health:
    sees_newest = generation is not None and whole_number(status.get("observedGeneration")) == generation
    if (not sees_newest and "conditions" in status) or not any(status.values()):
        return Health(PROGRESSING, "Waiting for the controller's first word", "generic/no-evidence")
    return Health(HEALTHY, "", "generic/status-without-evidence")


def _evidence(status: Mapping[str, Any], spec: Mapping[str, Any], generation: int | None, runs: bool) -> list[Evidence]:
    """All that the status says.

    Where a condition sums it up, counts and parts are its own business. A state such as Stopped explains conditions
    that are False, whatever their reason.
    """
    told = conditions.of_status(status, generation, runs)
    words = fields.of_status(status, spec, runs, told.summed_up)
    others = told.others
    if others and any(says == SUSPENDED for says, _ in words):
        others = [evidence for evidence in others if evidence[0] != DEGRADED]
    return told.unusual + others + words or list(fields.last_resort(status))


def _paused(spec: Mapping[str, Any]) -> str | None:
    for name in facts.SUSPEND_FIELDS:
        if spec.get(name) is True:
            return f"spec.{name}"
    return None


def _paused_by_mark(obj: Object) -> str | None:
    for name, value in section(metadata(obj), "annotations").items():
        if not isinstance(value, str) or len(value) > _LONGEST_MARK or not isinstance(name, str):
            continue
        if facts.PAUSE_MARKS.get(name.rpartition("/")[2]) == value:
            return f"the annotation {name}"
    return None


def _is_behind(status: Mapping[str, Any], generation: int) -> bool:
    for field in facts.OBSERVED_FIELDS:
        if field in status:
            observed = whole_number(status[field])
            return observed is not None and observed < generation
    return False
