"""Why a webhook is turned away."""

from __future__ import annotations

from gitops.errors import GitOpsError


class WebhookRefused(GitOpsError):
    """A webhook is not acted upon: `status` is the HTTP answer, `reason` a word for the metric."""

    def __init__(self, message: str, *, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
