"""Health words, in order from best to worst (specs section 6)."""

from __future__ import annotations

from dataclasses import dataclass

HEALTHY = "Healthy"
SUSPENDED = "Suspended"
PROGRESSING = "Progressing"
MISSING = "Missing"
DEGRADED = "Degraded"
UNKNOWN = "Unknown"

ORDER = (HEALTHY, SUSPENDED, PROGRESSING, MISSING, DEGRADED, UNKNOWN)


def worse(a: str, b: str) -> str:
    """The worse of two health words."""
    return a if ORDER.index(a) >= ORDER.index(b) else b


@dataclass(frozen=True, slots=True)
class Health:
    """The health of one object: the word, why in one sentence, and the name of the rule that decided."""

    status: str
    message: str = ""
    rule: str = ""
