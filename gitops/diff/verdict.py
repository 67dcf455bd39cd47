"""What a comparison says about one object."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SYNCED = "Synced"
OUT_OF_SYNC = "OutOfSync"
UNKNOWN = "Unknown"


class Verdict(StrEnum):
    """SAME and DIFFERENT are sure; ASK means that only the API server can tell (dry run, then compare again)."""

    SAME = "Same"
    DIFFERENT = "Different"
    ASK = "Ask"


class Change(StrEnum):
    """In which way an object differs."""

    NONE = ""
    #: Desired, but not in the cluster.
    MISSING = "Missing"
    #: In the cluster, no longer desired: it needs pruning.
    EXTRA = "Extra"
    MODIFIED = "Modified"


@dataclass(frozen=True, slots=True)
class ObjectDiff:
    """The comparison of one object. `modified` are JSON pointers of up to 20 fields that differ (or may differ)."""

    verdict: Verdict
    change: Change = Change.NONE
    #: One sentence without any value of the object; empty where it is the same.
    reason: str = ""
    modified: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """Synced, OutOfSync, or Unknown while the API server has to be asked."""
        return {Verdict.SAME: SYNCED, Verdict.DIFFERENT: OUT_OF_SYNC, Verdict.ASK: UNKNOWN}[self.verdict]
