"""What a word or a short text of a status says about health, by the tables in `facts`."""

from __future__ import annotations

import re
from functools import lru_cache

from gitops.health import facts
from gitops.model.health import DEGRADED, HEALTHY, PROGRESSING

_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_MEANING = {word: meaning for meaning, words in facts.WORDS.items() for word in words}
_PHRASES = tuple((f" {phrase} ", meaning) for phrase, meaning in facts.PHRASES.items())
_LONGEST = 160


def tokens(text: str) -> list[str]:
    """The words of a text in CamelCase, snake_case or prose, in lower case."""
    return [token.lower() for token in _TOKEN.findall(text)]


@lru_cache(maxsize=4096)
def _meaning(text: str) -> str | None:
    words = tokens(text.replace("n't", " not"))
    joined = f" {' '.join(words)} "
    for phrase, settled in _PHRASES:
        if phrase in joined:
            return settled
    found: set[str] = set()
    negation: str | None = None
    for word in words:
        meaning = _word(word)
        if word in facts.NEGATIONS:
            negation = facts.NEGATIONS[word]
            continue
        if meaning is not None:
            if negation:
                found.add(negation if meaning == HEALTHY else HEALTHY)
            else:
                found.add(meaning)
        negation = None
    return next((word for word in facts.PRECEDENCE if word in found), None)


def _word(word: str) -> str | None:
    known = _MEANING.get(word)
    if known is not None or word in facts.NOT_STATES:
        return known
    return next(
        (meaning for ending, meaning in facts.ENDINGS if word.endswith(ending) and len(word) > len(ending) + 2), None
    )


def meaning_of(text: str) -> str | None:
    """The health word that a text stands for; None where it says nothing. Only its beginning is read."""
    return _meaning(text[:_LONGEST])


@lru_cache(maxsize=2048)
def meaning_of_type(name: str) -> str | None:
    """What a condition type says where it is True: its last word decides (InstallSucceeded), a bad word always."""
    words = tokens(name)
    meanings = [HEALTHY if (found := _word(word)) == PROGRESSING and word.endswith("ed") else found for word in words]
    if DEGRADED in meanings:
        return DEGRADED
    if words[:1] and words[0] in ("not", "un", "non"):
        return DEGRADED
    if words[-3:] == ["up", "to", "date"]:
        return HEALTHY
    return next((meaning for meaning in reversed(meanings) if meaning), None)
