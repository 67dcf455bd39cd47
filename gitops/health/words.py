"""What a word or a short text of a status says about health, by the tables in `facts`."""

from __future__ import annotations

import re
from functools import lru_cache

from gitops.health import facts
from gitops.model.health import HEALTHY, PROGRESSING

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
    for phrase, meaning in _PHRASES:
        if phrase in joined:
            return meaning
    found: set[str] = set()
    negated = False
    for word in words:
        if word in facts.NEGATIONS:
            negated = True
            continue
        meaning = _word(word)
        if meaning is not None:
            if negated:
                meaning = PROGRESSING if meaning == HEALTHY else HEALTHY
            found.add(meaning)
        negated = False
    return next((meaning for meaning in facts.PRECEDENCE if meaning in found), None)


def _word(word: str) -> str | None:
    known = _MEANING.get(word)
    if known is not None or word in facts.NOT_STATES:
        return known
    return next((meaning for ending, meaning in facts.ENDINGS if word.endswith(ending) and len(word) > len(ending) + 2), None)


def meaning_of(text: str) -> str | None:
    """The health word that a text stands for; None where it says nothing. Only its beginning is read."""
    return _meaning(text[:_LONGEST])
