"""Desired against live, without any I/O (specs section 4).

`compare` says whether one object is as Git wants it, is not, or whether the API server has to be asked: then the caller
makes a dry-run apply and compares again with its answer as `predicted`. `IgnoreRules` gathers what does not count.
`application_sync_status` sums up. `unified` and `mask_secrets` are for people's eyes; `respect_ignore_differences` is for
the apply.
"""

from gitops.diff.verdict import OUT_OF_SYNC, SYNCED, UNKNOWN, Change, ObjectDiff, Verdict

__all__ = ["OUT_OF_SYNC", "SYNCED", "UNKNOWN", "Change", "ObjectDiff", "Verdict"]
