"""What the conditions of a status say about health, by the tables in `facts`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from gitops.health import facts
from gitops.health.reading import whole_number
from gitops.health.words import meaning_of, meaning_of_type, tokens, type_words
from gitops.model.health import DEGRADED, HEALTHY, PROGRESSING, SUSPENDED

#: (health word, why)
Evidence = tuple[str, str]

#: An API's own lists are short (Gateway API: 64 listeners, 32 parents, 8 conditions each); more is not looked at, so
#: that no object, however large, holds up a worker.
MAX_ITEMS = 128
_MAX_CONDITIONS_OF_ITEM = 16

_STATES = frozenset(("True", "False", "Unknown"))

#: The place of a condition among its sisters.
_ABNORMAL, _UNDER_WAY, _WHOLE, _PART = range(4)


class Told(NamedTuple):
    """What conditions say: those of the unusual that are True, the others, and whether a summary among them is True."""

    unusual: list[Evidence]
    others: list[Evidence]
    summed_up: bool


def of_status(status: Mapping[str, Any], generation: int | None, runs: bool) -> Told:
    """The evidence of all lists of conditions.

    `runs`: the kind runs once and ends, so that its `Running` is under way.
    """
    own = _list(status.get("conditions"))
    if own is None:
        own = next(
            (c for holder in facts.CONDITION_HOLDERS if isinstance(c := _conditions_of(status.get(holder)), list)), None
        )
    told = _conditions(own[:MAX_ITEMS], generation, runs) if own else Told([], [], False)
    found = told.others
    for field in facts.CONDITION_LISTS:
        items = status.get(field)
        if not isinstance(items, list):
            continue
        lists = [c for item in items[:MAX_ITEMS] if isinstance(c := _conditions_of(item), list)]
        current = [c for c in lists if not _stale(c, generation)]
        if lists and not current:
            found.append((PROGRESSING, f"No condition in {field} is about the newest generation"))
        for conditions in current:
            of_item = _conditions(conditions[:_MAX_CONDITIONS_OF_ITEM], generation, runs)
            found.extend(of_item.unusual + of_item.others or [(PROGRESSING, f"Waiting for conditions in {field}")])
    return told


def _conditions_of(item: Any) -> Any:
    return item.get("conditions") if isinstance(item, dict) else None


def _list(conditions: Any) -> list[Any] | None:
    """Conditions as a list; a few APIs write a mapping from type to condition."""
    if isinstance(conditions, dict):
        return [{"type": kind, **item} for kind, item in conditions.items() if isinstance(item, dict)]
    return conditions if isinstance(conditions, list) else None


def _stale(conditions: list[Any], generation: int | None) -> bool:
    return generation is not None and any(
        isinstance(c, dict) and (seen := whole_number(c.get("observedGeneration"))) is not None and seen < generation
        for c in conditions
    )


def _conditions(conditions: list[Any], generation: int | None, runs: bool) -> Told:
    """What a list of conditions says.

    A summary that is True outweighs the parts that it sums up, and what only sounds like "under way"; an end that is
    True outweighs all that was under way. "Under way" explains why normal conditions are False.
    """
    found: tuple[list[Evidence], ...] = ([], [], [], [])
    doubtful: list[Evidence] = []
    summed_up = over = False
    for condition in conditions:
        if not isinstance(condition, dict):
            continue
        kind, state = condition.get("type"), condition.get("status")
        if not isinstance(kind, str) or isinstance(state, (dict, list)):
            continue
        if kind[:1].islower():
            kind = kind[0].upper() + kind[1:]
        if generation is not None and kind in facts.WHOLE:
            seen = condition.get("observedGeneration")
            if isinstance(seen, int) and seen < generation:
                found[_WHOLE].append((PROGRESSING, f"{kind} is about an older generation"))
                continue
        if state not in _STATES:
            state = str(state).capitalize()
        reason, message = _text(condition, "reason"), _text(condition, "message")
        # Where all is well, nobody asks what the message says.
        asked = "" if state == "True" else message[:160]
        says, place = _condition(kind, state, reason, _text(condition, "severity"), asked, runs)
        if says is not None:
            summed_up = summed_up or (says == HEALTHY and kind in facts.SUMMARY)
            over = over or (says == HEALTHY and kind in facts.ENDED)
            why = message or (f"{kind}: {reason}" if reason else f"{kind} is {state}")
            told = doubtful if place == _UNDER_WAY and not _surely_under_way(kind) else found[place]
            told.append((says, why))
    if over:
        found[_UNDER_WAY].clear()
    elif not summed_up:
        found[_UNDER_WAY].extend(doubtful)
    normal = found[_WHOLE] if summed_up else found[_WHOLE] + found[_PART]
    if any(evidence[0] == PROGRESSING for evidence in found[_UNDER_WAY]):
        normal = [evidence for evidence in normal if evidence[0] != DEGRADED]
    return Told(found[_ABNORMAL] + found[_UNDER_WAY], normal, summed_up)


def _text(condition: Mapping[str, Any], field: str) -> str:
    value = condition.get(field)
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=4096)
def _surely_under_way(kind: str) -> bool:
    return kind in facts.CONDITION_TYPES or not facts.UNDER_WAY.isdisjoint(tokens(kind))


@lru_cache(maxsize=8192)
def _condition(kind: str, state: str, reason: str, severity: str, message: str, runs: bool) -> tuple[str | None, int]:
    """What one condition says, and its place."""
    says_true = facts.CONDITION_TYPES[kind] if kind in facts.CONDITION_TYPES else _type_meaning(kind)
    if kind in facts.CONDITION_TYPES and says_true is None:
        return None, _PART
    place = _WHOLE if _is_whole(kind) else _PART
    if kind == "Running" and not runs and reason != "Running":
        says_true = HEALTHY
    elif state not in _STATES:
        return _worded(state, reason), place
    if place != _WHOLE and says_true in (DEGRADED, SUSPENDED, PROGRESSING):
        place = _PART if kind.startswith("Partial") else _UNDER_WAY if says_true == PROGRESSING else _ABNORMAL
        return _abnormal(kind, says_true, state, reason), place
    return _normal(kind, state, reason, severity, message), place


@lru_cache(maxsize=2048)
def _is_whole(kind: str) -> bool:
    return kind in facts.WHOLE or not facts.WHOLE_WORDS.isdisjoint(type_words(kind))


def _type_meaning(kind: str) -> str | None:
    return HEALTHY if kind in facts.WHOLE else meaning_of_type(kind)


def _worded(state: str, reason: str) -> str | None:
    """A condition whose status is a word of its own, such as `Degraded` or `InProgress`."""
    return PROGRESSING if reason and _reason(reason) == PROGRESSING else meaning_of(state)


def _abnormal(kind: str, says_true: str, state: str, reason: str) -> str | None:
    """Conditions that report the unusual: only True says something, or an end that is a failure."""
    about = _reason(reason)
    if state == "False" and says_true == DEGRADED:
        return HEALTHY
    if state == "False" and says_true == PROGRESSING and about == DEGRADED:
        return DEGRADED
    if state != "True" or reason == "ProgressingWithRetry":
        return None
    if says_true == PROGRESSING and _has_ended(reason, about):
        return HEALTHY
    return PROGRESSING if kind.startswith("Not") and about == PROGRESSING else says_true


def _has_ended(reason: str, about: str | None) -> bool:
    """Whether the reason of "under way" says that it is over (NewReplicaSetAvailable)."""
    words = tokens(reason)
    if words[-1:] and words[-1] in facts.DONE:
        return about != DEGRADED
    return about in (HEALTHY, None) and not facts.DONE.isdisjoint(words)


def _normal(kind: str, state: str, reason: str, severity: str, message: str) -> str | None:
    """Conditions that are True when all is well."""
    whole = _is_whole(kind)
    if state == "True":
        if kind in facts.ENDED and _reason(reason) == DEGRADED:
            return DEGRADED
        return HEALTHY if whole or _speaks_of_part(kind) else None
    if (severity == "Info" and not whole) or (state == "False" and not whole and reason in facts.AS_MEANT):
        return None
    return _not_true(kind, state, reason, severity, message, whole)


def _not_true(  # noqa: PLR0911 - the first clue decides
    kind: str, state: str, reason: str, severity: str, message: str, whole: bool
) -> str | None:
    """The same, False or Unknown."""
    if state == "Unknown":
        return PROGRESSING
    if kind in facts.FALSE_SAYS:
        return facts.FALSE_SAYS[kind]
    if severity in facts.SEVERITIES:
        return facts.SEVERITIES[severity]
    about = _reason(reason)
    if about == DEGRADED or failed(message) or (_only_not_ready(reason) and meaning_of(message) == DEGRADED):
        return DEGRADED
    if not whole and _type_meaning(kind) is None:
        return None  # the type does not say what is good (LoadBalancerManaged); only a failure is news
    if about in (PROGRESSING, SUSPENDED):
        return about
    if message and "not ready" not in message.lower():
        told = meaning_of(message)
        if told in (PROGRESSING, SUSPENDED, DEGRADED):
            return told
    if about == HEALTHY:
        return PROGRESSING  # a good word for what is not yet True: a step that was taken
    if reason or message:
        return DEGRADED if whole else PROGRESSING if about is None and _speaks_of_part(kind) else None
    return PROGRESSING if whole or _type_meaning(kind) == HEALTHY else None


def _only_not_ready(reason: str) -> bool:
    """A reason that repeats the condition ends in `NotReady`; the message tells why."""
    return tokens(reason)[-2:] == ["not", "ready"]


def _speaks_of_part(kind: str) -> bool:
    words = type_words(kind)
    return words[-1:] != [] and (words[-1] in facts.PART_ENDINGS or words[:2] == ["ready", "to"])


def _reason(reason: str) -> str | None:
    return facts.REASONS[reason] if reason in facts.REASONS else meaning_of(reason) if reason else None


def failed(message: str) -> bool:
    """Whether a message begins as one that tells of a failure."""
    return message[:24].lower().startswith(facts.FAILED_BEGINNINGS)
