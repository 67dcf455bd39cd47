"""What the other fields of a status say about health: words of state, truth values, errors, counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from gitops.health import facts, vocabulary
from gitops.health.conditions import MAX_ITEMS, Evidence, failed
from gitops.health.reading import whole_number
from gitops.health.words import meaning_of, tokens
from gitops.model.health import DEGRADED, HEALTHY, PROGRESSING

#: How much of what is below the status is looked at, so that no object, however large, holds up a worker.
_MAX_LOOKED_INTO = 128
_MAX_PARTS = 32
#: By the field that counts what is well: those that say how many there are to be.
_COUNTS = {well: tuple(w for w, other in facts.COUNTS if other == well) for _, well in facts.COUNTS}
_FRACTION = re.compile(r"([0-9]{1,9}) ?/ ?([0-9]{1,9})")


def runs_to_completion(kind: str) -> bool:
    """Whether objects of the kind run once and end."""
    return kind.endswith(facts.RUNS_TO_COMPLETION)


class _Sort(NamedTuple):
    """What a field's name says that it holds."""

    failure: bool
    state: bool
    holder: bool
    items: bool
    part: bool
    fraction: bool
    wanted: tuple[str, ...]


def _wanted(field: str) -> tuple[str, ...]:
    """The fields that may say how many there are to be of what this one counts."""
    for beginning in facts.COUNT_BEGINNINGS:
        rest = field.removeprefix(beginning)
        if rest != field and rest[:1].isupper():
            return (*_COUNTS.get(field, ()), rest[0].lower() + rest[1:])
    return _COUNTS.get(field, ())


@lru_cache(maxsize=4096)
def _sort(field: str) -> _Sort:
    name = field.lower()
    passed = name.startswith(facts.NOT_STATE_BEGINNINGS)
    history = any(word in name for word in facts.NOT_ITEM_LISTS)
    state_field = not passed and (name in facts.STATE_FIELDS or name.endswith(facts.STATE_ENDINGS))
    holder = state_field or name in facts.STATE_OBJECTS or name.endswith(facts.STATE_OBJECT_ENDINGS)
    return _Sort(
        failure=not passed and name.endswith(facts.FAILURE_ENDINGS),
        state=state_field,
        holder=holder,
        items=not history,
        part=not (passed or holder or history),
        wanted=_wanted(field),
        fraction=any(word in name for word in facts.COUNT_WORDS),
    )


def of_status(  # noqa: PLR0912 - one branch a type of value
    status: Mapping[str, Any], spec: Mapping[str, Any], runs: bool, summed_up: bool
) -> list[Evidence]:
    """The evidence of words, truth values, errors and counts.

    Where a condition sums up the whole (`summed_up`), counts and parts are left out, and so is what fields with other
    names than the usual ones tell of progress (of a step, of another's work).
    """
    found: list[Evidence] = []
    parts: list[tuple[str, Mapping[str, Any]]] = []
    left = _MAX_LOOKED_INTO
    for field, value in islice(status.items(), MAX_ITEMS):
        if isinstance(value, bool):
            found.extend(_flag(field, value, status))
            continue
        sort = _sort(field)
        if sort.failure:
            if value:
                found.extend(_failure(field, value))
        elif isinstance(value, str):
            if value:
                found.extend(_text(field, value, sort, status, runs, summed_up))
        elif isinstance(value, dict):
            if sort.holder:
                found.extend(_inside(field, value, runs))
            elif sort.part and value:
                parts.append((field, value))
        elif isinstance(value, list):
            if value and sort.items:
                found.extend(_items(field, value[:left], runs))
                left = max(left - len(value), 0)
        elif sort.wanted and not summed_up:
            found.extend(_count(field, value, status, spec))
    if parts and not summed_up:
        said = bool(found)
        found.extend(part for part in _of_parts(parts, runs) if not said or part[0] != HEALTHY)
    return found


def _text(
    field: str, value: str, sort: _Sort, status: Mapping[str, Any], runs: bool, summed_up: bool
) -> Iterator[Evidence]:
    if field in facts.FLAGS and value.lower() in ("true", "false"):
        yield from _flag(field, value.lower() == "true", status)
    elif sort.state:
        yield from _word(field, value, runs, summed_up, status)
    elif sort.fraction:
        yield from _fraction(field, value)


def _of_parts(parts: list[tuple[str, Mapping[str, Any]]], runs: bool) -> Iterator[Evidence]:
    """The evidence one level down, in objects about a part (cluster.status, postgres.ready of postgres.size)."""
    for field, value in parts[:_MAX_PARTS]:
        for name, inner in islice(value.items(), _MAX_PARTS):
            if isinstance(inner, str):
                if not inner:
                    continue
                if name in facts.ITEM_STATE_FIELDS:
                    yield from _known_word(f"{field}.{name}", inner, runs)
                elif _sort(name).fraction:
                    yield from _fraction(name, inner)
            elif isinstance(inner, bool):
                if name in facts.PART_FLAGS:
                    yield from _flag(name, inner, value)
            elif _sort(name).wanted:
                yield from _count(name, inner, value, {})


def last_resort(status: Mapping[str, Any]) -> Iterator[Evidence]:
    """What is asked where nothing else speaks: status.reason, an error of the last attempt."""
    reason, message = status.get("reason"), status.get("message")
    if isinstance(reason, str) and reason and (says := meaning_of(reason)):
        yield says, message if isinstance(message, str) and message else reason
    for field in facts.LAST_ERRORS:
        if status.get(field):
            yield DEGRADED, f"{field} is not empty"


def state(word: str, runs: bool) -> Evidence:
    """What the word of a phase says; a word that nobody knows is a step on the way."""
    return _state(word[:120], runs) or PROGRESSING, word[:120]


@lru_cache(maxsize=4096)
def _state(shown: str, runs: bool) -> str | None:
    words = tokens(shown)
    says = facts.STATES.get("".join(words)) or meaning_of(shown)
    if says == HEALTHY and runs and not facts.NOT_OVER.isdisjoint(words) and words[-1] not in vocabulary.ENDS:
        return PROGRESSING
    if says == HEALTHY and words[0] == "running" and len(words) == 2 and meaning_of(words[1]) is None:
        return PROGRESSING
    return says


def _word(field: str, value: str, runs: bool, summed_up: bool, status: Mapping[str, Any]) -> Iterator[Evidence]:
    says, shown = state(value, runs)
    if says == PROGRESSING:
        if (summed_up and field.lower() not in facts.STATE_FIELDS) or "".join(tokens(shown)) in facts.NO_STATES:
            return
        message = status.get("message")
        if isinstance(message, str) and failed(message):
            yield DEGRADED, message
            return
    yield says, f"{field} is {shown}"


def _known_word(field: str, value: str, runs: bool) -> Iterator[Evidence]:
    if says := _state(value[:120], runs):
        yield says, f"{field} is {value[:120]}"


def _flag(field: str, value: bool, status: Mapping[str, Any]) -> Iterator[Evidence]:
    flag = facts.FLAGS.get(field)
    says = flag[0 if value else 1] if flag else DEGRADED if value and _sort(field).failure else None
    if says == PROGRESSING:
        message = status.get("message")
        if isinstance(message, str) and message and (failed(message) or meaning_of(message) == DEGRADED):
            yield DEGRADED, message
            return
    if says:
        yield says, f"{field} is {str(value).lower()}"


def _failure(field: str, value: Any) -> Iterator[Evidence]:
    """What went wrong, as text, list, or an object with texts in it."""
    if isinstance(value, str):
        if value.strip().lower() not in facts.NO_FAILURE:
            yield DEGRADED, value
    elif not isinstance(value, dict):
        yield DEGRADED, f"{field} is not empty"
    elif any(value.values()):
        yield DEGRADED, str(value.get("message") or f"{field} is not empty")


def _items(field: str, items: list[Any], runs: bool) -> Iterator[Evidence]:
    """What a list's items say, as far as it is no good news: that of the whole is elsewhere."""
    for item in items:
        if not isinstance(item, dict):
            continue
        for name in facts.ITEM_STATE_FIELDS:
            word = item.get(name)
            if isinstance(word, str) and word and (says := _state(word[:120], runs)) in (DEGRADED, PROGRESSING):
                yield says, f"{field}: {name} is {word[:120]}"
        for name in ("error", "errors"):
            if told := item.get(name):
                yield from _failure(name, told)
        for name in [key for key in islice(item, _MAX_PARTS) if _sort(key).wanted]:
            for says, why in _count(name, item[name], item, {}):
                if says == PROGRESSING:
                    yield says, f"{field}: {why}"


def _inside(field: str, value: Mapping[str, Any], runs: bool) -> Iterator[Evidence]:
    """A state one level down (jobStatus.state), or two where the first maps reporters (statuses.<name>.state)."""
    for name, inner in islice(value.items(), _MAX_PARTS):
        if isinstance(inner, str) and inner:
            sort = _sort(name)
            if sort.state:
                says, shown = state(inner, runs)
                yield says, f"{field}.{name} is {shown}"
            elif sort.failure:
                yield from _failure(name, inner)
            elif sort.fraction:
                yield from _fraction(name, inner)
        elif isinstance(inner, bool) and name in facts.PART_FLAGS:
            yield from _flag(name, inner, value)
        elif isinstance(inner, dict) and field == "statuses" and isinstance(word := inner.get("state"), str):
            says, shown = state(word, runs)
            yield says, f"{field}.{name}.state is {shown}"


def _fraction(field: str, value: str) -> Iterator[Evidence]:
    """`2/3` in a field such as componentsReady or statusReplicas."""
    if len(value) <= 21 and value[0].isdigit() and (match := _FRACTION.fullmatch(value)):
        well, wanted = int(match[1]), int(match[2])
        yield (PROGRESSING if well < wanted else HEALTHY), f"{field} is {value}"


def _count(field: str, value: Any, status: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Evidence]:
    """How many are well of how many there are to be."""
    well = whole_number(value)
    if well is None:
        return
    for wanted_field in _sort(field).wanted:
        wanted = whole_number(spec.get(wanted_field))
        if wanted is None:
            wanted = whole_number(status.get(wanted_field))
        if wanted is not None:
            yield (PROGRESSING if well < wanted else HEALTHY), f"{field} is {well} of {wanted}"
