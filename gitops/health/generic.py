"""The generic rule: the health of a kind that nobody wrote a rule for, out of the tables in `facts`.

Each reader below looks at one sort of evidence in an object's status and yields what it says, as (health word, why).
The worst evidence decides; where the object holds none, the status itself does (see `assess_generic`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from gitops.health import facts
from gitops.health.words import meaning_of, meaning_of_type, tokens
from gitops.model.health import DEGRADED, HEALTHY, MISSING, PROGRESSING, SUSPENDED, UNKNOWN, Health
from gitops.model.objects import Object

#: (health word, why)
Evidence = tuple[str, str]

#: What wins among the evidence of one object, worst first. A pause explains an unfinished rollout, not a failure.
_WORST_FIRST = (DEGRADED, MISSING, SUSPENDED, PROGRESSING, UNKNOWN, HEALTHY)
_RANK = {word: rank for rank, word in enumerate(_WORST_FIRST)}
#: An API's own lists are short (Gateway API: 64 listeners, 32 parents, 8 conditions each); more is not looked at, so
#: that no object, however large, holds up a worker.
_MAX_ITEMS = 128
_MAX_CONDITIONS_OF_ITEM = 16


def assess_generic(obj: Object, group: str, kind: str) -> Health | None:  # noqa: PLR0911 - one outcome each
    """The health by the API conventions; None where the kind is known to have no status."""
    status = obj.get("status")
    spec = obj.get("spec")
    if isinstance(spec, dict) and (paused := _paused(spec)):
        return Health(SUSPENDED, f"spec.{paused} is set", "generic/suspended")
    if not status:
        return _without_status(obj, group, kind)
    if not isinstance(status, dict):
        return _of(_state(str(status), kind), "generic/state")
    if _is_behind(obj, status):
        return Health(PROGRESSING, "The controller has not yet seen the newest generation", "generic/generation")
    spec = spec if isinstance(spec, dict) else {}
    generation = _int((obj.get("metadata") or {}).get("generation"))
    found, summed_up = _conditions_everywhere(status, generation)
    found.extend(_words_and_flags(status, kind))
    if not summed_up:
        found.extend(_counts(status, spec))
    if not found:
        if (not _sees_newest(obj, status) and "conditions" in status) or all(not value for value in status.values()):
            return Health(PROGRESSING, "Waiting for the controller's first word", "generic/no-evidence")
        return Health(HEALTHY, "", "generic/status-without-evidence")
    return _of(min(found, key=lambda evidence: _RANK[evidence[0]]), "generic/status")


def _of(evidence: Evidence | None, rule: str) -> Health:
    return Health(*evidence, rule) if evidence else Health(PROGRESSING, "", rule)


def _paused(spec: Mapping[str, Any]) -> str | None:
    return next((name for name in facts.SUSPEND_FIELDS if spec.get(name) is True), None)


def has_no_status(group: str, kind: str) -> bool:
    """Whether a kind is known never to have a status."""
    kinds = facts.WITHOUT_STATUS.get(group)
    return (
        group in facts.BUILTIN_GROUPS
        or kind in facts.WITHOUT_STATUS["*"]
        or (kinds is not None and (kind in kinds or "*" in kinds))
    )


def _without_status(obj: Object, group: str, kind: str) -> Health | None:
    if has_no_status(group, kind):
        return None
    return Health(PROGRESSING, "Waiting for a status", "generic/no-status")


# --- generations ---


def _int(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and len(value) < 19 and value.isdecimal():
        return int(value)
    return None


def _is_behind(obj: Object, status: Mapping[str, Any]) -> bool:
    generation = _int((obj.get("metadata") or {}).get("generation"))
    if generation is None:
        return False
    for field in facts.OBSERVED_FIELDS:
        if field in status:
            observed = _int(status[field])
            return observed is not None and observed < generation
    return False


def _sees_newest(obj: Object, status: Mapping[str, Any]) -> bool:
    """Whether status says outright that it is about this very generation (the conventions' observedGeneration)."""
    observed = _int(status.get("observedGeneration"))
    return observed is not None and observed == _int((obj.get("metadata") or {}).get("generation"))


# --- conditions ---


def _conditions_everywhere(status: Mapping[str, Any], generation: int | None) -> tuple[list[Evidence], bool]:
    """The evidence of all lists of conditions, and whether a summary condition among them is True."""
    own = status.get("conditions")
    if not isinstance(own, list):
        own = next(
            (c for holder in facts.CONDITION_HOLDERS if isinstance(c := _get(status, holder, "conditions"), list)), None
        )
    found: list[Evidence] = []
    summed_up = False
    if own:
        found, summed_up = _conditions(own[:_MAX_ITEMS], generation)
    for field in facts.CONDITION_LISTS:
        items = status.get(field)
        if not isinstance(items, list):
            continue
        lists = [
            c for item in items[:_MAX_ITEMS] if isinstance(item, dict) and isinstance(c := item.get("conditions"), list)
        ]
        current = [c for c in lists if not _stale(c, generation)]
        if lists and not current:
            found.append((PROGRESSING, f"No condition in {field} is about the newest generation"))
        for conditions in current:
            of_item, _ = _conditions(conditions[:_MAX_CONDITIONS_OF_ITEM], generation)
            found.extend(of_item or [(PROGRESSING, f"Waiting for conditions in {field}")])
    return found, summed_up


def _get(value: Any, *path: str) -> Any:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _stale(conditions: list[Any], generation: int | None) -> bool:
    return generation is not None and any(
        isinstance(c, dict) and (seen := _int(c.get("observedGeneration"))) is not None and seen < generation
        for c in conditions
    )


#: The place of a condition among its sisters.
_ABNORMAL, _UNDER_WAY, _WHOLE, _PART = range(4)


def _conditions(conditions: list[Any], generation: int | None) -> tuple[list[Evidence], bool]:
    """What a list of conditions says.

    A summary that is True outweighs the parts that it sums up; "under way" explains why normal conditions are False.
    """
    found: tuple[list[Evidence], ...] = ([], [], [], [])
    summed_up = False
    for condition in conditions:
        if not isinstance(condition, dict):
            continue
        kind, state = condition.get("type"), condition.get("status")
        if not isinstance(kind, str) or isinstance(state, (dict, list)):
            continue
        if generation is not None and kind in facts.WHOLE:
            seen = condition.get("observedGeneration")
            if isinstance(seen, int) and seen < generation:
                found[_WHOLE].append((PROGRESSING, f"{kind} is about an older generation"))
                continue
        state, reason, message = str(state).capitalize(), _text(condition, "reason"), _text(condition, "message")
        says, place = _condition(kind, state, reason, _text(condition, "severity"), message[:80])
        if says is not None:
            summed_up = summed_up or (says == HEALTHY and kind in facts.SUMMARY)
            found[place].append((says, message or (f"{kind}: {reason}" if reason else f"{kind} is {state}")))
    normal = found[_WHOLE] if summed_up else found[_WHOLE] + found[_PART]
    if any(evidence[0] == PROGRESSING for evidence in found[_UNDER_WAY]):
        normal = [evidence for evidence in normal if evidence[0] != DEGRADED]
    return found[_ABNORMAL] + found[_UNDER_WAY] + normal, summed_up


def _text(condition: Mapping[str, Any], field: str) -> str:
    value = condition.get(field)
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=8192)
def _condition(kind: str, state: str, reason: str, severity: str, message: str) -> tuple[str | None, int]:
    """What one condition says, and its place."""
    says_true = facts.CONDITION_TYPES[kind] if kind in facts.CONDITION_TYPES else _type_meaning(kind)
    if kind in facts.CONDITION_TYPES and says_true is None:
        return None, _PART
    if kind not in facts.WHOLE and says_true in (DEGRADED, SUSPENDED, PROGRESSING):
        place = _PART if kind.startswith("Partial") else _UNDER_WAY if says_true == PROGRESSING else _ABNORMAL
        return _abnormal(kind, says_true, state, reason), place
    return _normal(kind, state, reason, severity, message), _WHOLE if kind in facts.WHOLE else _PART


def _type_meaning(kind: str) -> str | None:
    return HEALTHY if kind in facts.WHOLE else meaning_of_type(kind)


def _abnormal(kind: str, says_true: str, state: str, reason: str) -> str | None:
    """Conditions that report the unusual: only True says something."""
    if state != "True":
        return HEALTHY if state == "False" and says_true == DEGRADED else None
    about = _reason(reason)
    if says_true == PROGRESSING:
        if reason == "ProgressingWithRetry":
            return None
        if about in (HEALTHY, None) and not facts.DONE.isdisjoint(tokens(reason)):
            return HEALTHY
        return PROGRESSING
    if kind.startswith("Not") and about == PROGRESSING:
        return PROGRESSING
    return says_true


def _normal(  # noqa: PLR0911 - the first clue decides
    kind: str, state: str, reason: str, severity: str, message: str
) -> str | None:
    """Conditions that are True when all is well."""
    whole = kind in facts.WHOLE
    if state == "True":
        return HEALTHY if whole or (tokens(kind)[-1:] and tokens(kind)[-1] in facts.PART_ENDINGS) else None
    if severity == "Info" and not whole:
        return None
    if state == "Unknown" or kind in facts.NOT_YET:
        return PROGRESSING
    if severity in facts.SEVERITIES:
        return facts.SEVERITIES[severity]
    about = _reason(reason)
    if about == DEGRADED or _failed(message):
        return DEGRADED
    if about in (PROGRESSING, SUSPENDED):
        return about
    if message and "not ready" not in message.lower():
        told = meaning_of(message)
        if told in (PROGRESSING, SUSPENDED, DEGRADED):
            return told
    if reason or message:
        return DEGRADED if whole else None
    return PROGRESSING if whole or _type_meaning(kind) == HEALTHY else None


def _reason(reason: str) -> str | None:
    return facts.REASONS[reason] if reason in facts.REASONS else meaning_of(reason) if reason else None


def _failed(message: str) -> bool:
    return message[:24].lower().startswith(facts.FAILED_BEGINNINGS)


# --- words, truth values, failures ---


def _words_and_flags(status: Mapping[str, Any], kind: str) -> Iterator[Evidence]:
    for field, value in islice(status.items(), _MAX_ITEMS):
        if isinstance(value, bool):
            flag = facts.FLAGS.get(field)
            says = flag[0 if value else 1] if flag else None
            if says:
                yield says, f"{field} is {str(value).lower()}"
        elif isinstance(value, str):
            if value and field in facts.FAILURE_FIELDS:
                yield DEGRADED, value
            elif value and _is_state_field(field):
                yield from _maybe(_state(value, kind), field)
        elif isinstance(value, dict):
            yield from _inside(field, value, kind)
        elif value and field in facts.FAILURE_FIELDS:
            yield DEGRADED, f"{field} is not empty"
        elif isinstance(value, list) and _is_item_list(field):
            yield from _items(field, value, kind)


def _items(field: str, items: list[Any], kind: str) -> Iterator[Evidence]:
    """The words of a list's items, as far as they are no good news: those of the whole are elsewhere."""
    for item in items[:_MAX_ITEMS]:
        if isinstance(item, dict):
            for name in facts.ITEM_STATE_FIELDS:
                word = item.get(name)
                if (
                    isinstance(word, str)
                    and word
                    and (says := _state(word, kind))
                    and says[0] in (DEGRADED, PROGRESSING)
                ):
                    yield says[0], f"{field}: {name} is {says[1]}"


@lru_cache(maxsize=2048)
def _is_item_list(field: str) -> bool:
    name = field.lower()
    return not any(word in name for word in facts.NOT_ITEM_LISTS)


def _inside(field: str, value: Mapping[str, Any], kind: str) -> Iterator[Evidence]:
    """A state one level down (jobStatus.state), or two where the first maps reporters (statuses.<name>.state)."""
    if value and field in facts.FAILURE_FIELDS:
        yield DEGRADED, str(value.get("message") or f"{field} is not empty")
        return
    if not _is_state_object(field):
        return
    for name, inner in list(value.items())[:_MAX_ITEMS]:
        if isinstance(inner, str) and inner and (_is_state_field(name)):
            yield from _maybe(_state(inner, kind), f"{field}.{name}")
        elif isinstance(inner, str) and inner and name in facts.FAILURE_FIELDS:
            yield DEGRADED, inner
        elif isinstance(inner, dict) and field == "statuses" and isinstance(word := inner.get("state"), str):
            yield from _maybe(_state(word, kind), f"{field}.{name}.state")


def _maybe(evidence: Evidence | None, field: str) -> Iterator[Evidence]:
    if evidence:
        yield evidence[0], f"{field} is {evidence[1]}"


@lru_cache(maxsize=2048)
def _is_state_field(field: str) -> bool:
    name = field.lower()
    if name.startswith(facts.NOT_STATE_BEGINNINGS):
        return False
    return name in facts.STATE_FIELDS or name.endswith(facts.STATE_ENDINGS)


@lru_cache(maxsize=2048)
def _is_state_object(field: str) -> bool:
    name = field.lower()
    return name in facts.STATE_OBJECTS or name.endswith(facts.STATE_OBJECT_ENDINGS) or _is_state_field(field)


@lru_cache(maxsize=4096)
def _state(word: str, kind: str) -> Evidence | None:
    """What the word of a phase says; a word that nobody knows is a step on the way."""
    shown = word[:120]
    words = tokens(shown)
    plain = "".join(words)
    if words[-1:] == ["running"] and kind.endswith(facts.RUNS_TO_COMPLETION):
        return PROGRESSING, shown
    return facts.STATES.get(plain) or meaning_of(shown) or PROGRESSING, shown


# --- counts ---


def _counts(status: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Evidence]:
    for wanted_field, well_field in facts.COUNTS:
        well = _int(status.get(well_field))
        if well is None:
            continue
        wanted = _int(spec.get(wanted_field))
        if wanted is None:
            wanted = _int(status.get(wanted_field))
        if wanted is None:
            continue
        if well < wanted:
            yield PROGRESSING, f"{well_field} is {well} of {wanted}"
        else:
            yield HEALTHY, f"{well_field} is {well} of {wanted}"
