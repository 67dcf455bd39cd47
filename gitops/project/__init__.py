"""AppProject: what the Applications of a team may read, write and touch, and when (specs section 7).

`validate_application` is the gate before any repository is read; `check_object` the one before any object is written;
`window_decision` says whether now is the time. A denial (errors.ProjectDenied) names the rule.
"""

from gitops.project.permissions import (
    check_destination,
    check_object,
    check_source,
    check_source_namespace,
    check_sources,
    denial,
    impersonated_user,
    permits,
    required_signers,
)
from gitops.project.urls import normalise_url
from gitops.project.validate import resolve_cluster, validate_application
from gitops.project.windows import Decision, check_window, next_change, window_decision

__all__ = [
    "Decision",
    "check_destination",
    "check_object",
    "check_source",
    "check_source_namespace",
    "check_sources",
    "check_window",
    "denial",
    "impersonated_user",
    "next_change",
    "normalise_url",
    "permits",
    "required_signers",
    "resolve_cluster",
    "validate_application",
    "window_decision",
]
