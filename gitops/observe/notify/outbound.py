"""What leaves, and how: every request has a timeout, follows no redirect, and an error never says what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from gitops.errors import GitOpsError

#: Seconds that a receiver may take.
TIMEOUT = 10.0


class NotificationError(GitOpsError):
    """A notification could not be sent; the text names the service and the answer's status."""

    transient = True


@dataclass(frozen=True, slots=True)
class Notification:
    """A rendered template and whom it is for."""

    recipient: str
    message: str
    #: The template's parts for single services, rendered: `email`, `slack`, `webhook`, `github`, `status`.
    parts: Mapping[str, Any]
    #: The repository and commit that it speaks of, for commit statuses.
    repo_url: str
    revision: str


def request(name: str, method: str, url: str, *, verify: bool = True, **given: Any) -> httpx.Response:
    """Send one request for the service called `name`. Raises NotificationError for any answer but a good one."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotificationError(f"Notification service {name} has no http(s) URL")
    with httpx.Client(timeout=TIMEOUT, verify=verify, follow_redirects=False) as client:
        answer = client.request(method, url, **given)
    if not answer.is_success:
        raise NotificationError(f"Notification service {name} answers {answer.status_code}")
    return answer
