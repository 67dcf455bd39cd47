"""Desired against live, without any request to a cluster (specs section 4).

`compare` says whether one object is as Git wants it, is not, or whether the API server has to be asked: then the caller
makes a dry-run apply and compares again with its answer as `predicted`. `IgnoreRules` gathers what does not count.
`application_sync_status` sums up. `unified` and `mask_secrets` are for people's eyes; `respect_ignore_differences` is
for the apply.
"""

from gitops.diff.compare import compare
from gitops.diff.ignore import NO_RULES, IgnoreRules
from gitops.diff.managed import removed_from_git
from gitops.diff.mask import mask_secrets
from gitops.diff.normalise import as_applied
from gitops.diff.respect import respect_ignore_differences
from gitops.diff.status import (
    ObjectResult,
    application_sync_status,
    compare_options,
    object_result,
    orphaned,
    orphaned_warning,
    top_level,
)
from gitops.diff.text import header, unified
from gitops.diff.verdict import OUT_OF_SYNC, SYNCED, UNKNOWN, Change, ObjectDiff, Verdict

__all__ = [
    "NO_RULES",
    "OUT_OF_SYNC",
    "SYNCED",
    "UNKNOWN",
    "Change",
    "IgnoreRules",
    "ObjectDiff",
    "ObjectResult",
    "Verdict",
    "application_sync_status",
    "as_applied",
    "compare",
    "compare_options",
    "header",
    "mask_secrets",
    "object_result",
    "orphaned",
    "orphaned_warning",
    "removed_from_git",
    "respect_ignore_differences",
    "top_level",
    "unified",
]
