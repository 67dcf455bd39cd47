"""What a word or a short text of a status says about health, by the tables in `vocabulary`."""

from __future__ import annotations

import re
from functools import lru_cache

from gitops.health import vocabulary
from gitops.model.health import DEGRADED, HEALTHY, PROGRESSING

_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_MEANING = {word: meaning for meaning, words in vocabulary.WORDS.items() for word in words}
#: By first word: (place in the table, words, meaning).
_PHRASES: dict[str, list[tuple[int, list[str], str]]] = {}
for _place, (_phrase, _meant) in enumerate(vocabulary.PHRASES.items()):
    _PHRASES.setdefault(_phrase.split()[0], []).append((_place, _phrase.split(), _meant))
_LONGEST = 160


def tokens(text: str) -> list[str]:
    """The words of a text in CamelCase, snake_case or prose, in lower case."""
    return [token.lower() for token in _TOKEN.findall(text)]


@lru_cache(maxsize=4096)
def _meaning(text: str) -> str | None:
    words = tokens(text.replace("n't", " not"))
    if phrases := [
        (place, meant)
        for at, word in enumerate(words)
        for place, phrase, meant in _PHRASES.get(word, ())
        if words[at : at + len(phrase)] == phrase
    ]:
        return min(phrases)[1]
    found: set[str] = set()
    negation: str | None = None
    for word in words:
        meaning = _word(word)
        if word in vocabulary.NEGATIONS:
            negation = vocabulary.NEGATIONS[word]
            continue
        if meaning is not None:
            if negation:
                not_begun = meaning == PROGRESSING and word.endswith("ed")
                found.add(negation if meaning == HEALTHY else PROGRESSING if not_begun else HEALTHY)
            else:
                found.add(meaning)
            negation = None
    if words and words[-1] in vocabulary.ENDS and HEALTHY in found and found <= {HEALTHY, PROGRESSING}:
        return HEALTHY
    return next((word for word in vocabulary.PRECEDENCE if word in found), None)


def _word(word: str) -> str | None:
    known = _MEANING.get(word)
    if known is not None or word in vocabulary.NOT_STATES:
        return known
    for ending, meaning in vocabulary.ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            if meaning == HEALTHY:
                return next((turned for beginning, turned in vocabulary.TURNED if word.startswith(beginning)), meaning)
            return meaning
    return None


def meaning_of(text: str) -> str | None:
    """The health word that a text stands for; None where it says nothing. Only its beginning is read."""
    return _meaning(text[:_LONGEST])


@lru_cache(maxsize=2048)
def type_words(name: str) -> list[str]:
    """The words of a condition type, without the domain before it (secrets.example.com/Synced)."""
    return tokens(name.rpartition("/")[2])


@lru_cache(maxsize=2048)
def meaning_of_type(name: str) -> str | None:
    """What a condition type says where it is True: its last word decides (InstallSucceeded), a bad word always."""
    words = type_words(name)
    meanings = [HEALTHY if (found := _word(word)) == PROGRESSING and word.endswith("ed") else found for word in words]
    if DEGRADED in meanings:
        return HEALTHY if words[0] in ("no", "non") else DEGRADED
    if words[:1] and words[0] in ("not", "un", "non"):
        return DEGRADED
    if words[-3:] == ["up", "to", "date"] or words[:2] == ["ready", "to"]:
        return HEALTHY
    return next((meaning for meaning in reversed(meanings) if meaning), None)
