"""What can go wrong, as the user reads it: each error is one sentence and knows the condition it belongs in."""

from __future__ import annotations

import re
from typing import ClassVar


def one_line(text: str) -> str:
    """`text` as it may stand in a sentence, a condition or a terminal: on one line, other control characters escaped.

    Names, and what tools say of a repository's content, come from whoever may write to it.
    """
    if text.isprintable():
        return text
    joined = re.sub(r"\s*[\r\n]\s*", " ", text.strip())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in joined)


class GitOpsError(Exception):
    """An expected failure. Its text is shown to people: what is wrong, where, and what to do.

    It never holds a credential or a manifest's content. Anything that is not a GitOpsError is a defect of the engine.
    """

    #: The Application condition type that this failure is written to (specs section 1).
    condition: ClassVar[str] = "UnknownError"
    #: Whether the same input may succeed later with nothing changed (network, a busy server).
    transient: ClassVar[bool] = False

    def __str__(self) -> str:
        return one_line(super().__str__())


class InvalidSpecError(GitOpsError):
    """The Application or AppProject itself is wrong; the text names the field."""

    condition = "InvalidSpecError"


class ProjectDenied(InvalidSpecError):
    """The AppProject does not permit it; the text names the rule."""


class ComparisonError(GitOpsError):
    """Desired or live state could not be made out."""

    condition = "ComparisonError"


class SourceError(ComparisonError):
    """The repository's content cannot be turned into objects."""


class RepositoryError(SourceError):
    """The repository cannot be reached or refuses us."""

    transient = True


class RevisionError(SourceError):
    """The target revision does not exist in the repository."""


class RenderError(SourceError):
    """Rendering failed, or outgrew its bounds (memory, time, size, count)."""


class ClusterError(ComparisonError):
    """The destination cluster cannot be reached or refuses us."""

    transient = True


class SyncError(GitOpsError):
    """An operation failed."""

    condition = "SyncError"


class DeletionError(GitOpsError):
    """An Application's objects could not be deleted."""

    condition = "DeletionError"


class LockLost(GitOpsError):
    """Another worker holds the application's lock now; this one must stop writing."""

    transient = True
