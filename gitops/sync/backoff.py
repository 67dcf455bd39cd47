"""The arithmetic of retries (specs section 5, operation retry)."""

from __future__ import annotations

from datetime import UTC, datetime

from gitops.model.application import Retry
from gitops.sync.duration import parse_duration


def may_retry(retry: Retry, retry_count: int) -> bool:
    """Whether another attempt is left; a negative limit means without end."""
    return retry.limit < 0 or retry_count < retry.limit


def retry_delay(retry: Retry, retry_count: int) -> float:
    """Seconds until the next attempt, after `retry_count` retries: min(maxDuration, duration x factor^retry_count).

    5, 10, 20, ... with the defaults, which is what Argo CD's message announces; it then waits one power longer than
    it says.

    Raises InvalidSpecError for a duration that cannot be read.
    """
    first, longest = parse_duration(retry.backoff.duration), parse_duration(retry.backoff.max_duration)
    factor = 2 if retry.backoff.factor is None else max(1, retry.backoff.factor)
    # Beyond 64 doublings every duration is over any maximum; the power itself must not overflow.
    return min(longest, first * float(factor) ** min(retry_count, 64))


def retry_message(message: str, retry_count: int, at: float) -> str:
    """`<message>. Retrying attempt #N at H:MMPM.`, in UTC."""
    moment = datetime.fromtimestamp(at, UTC)
    clock = f"{moment.hour % 12 or 12}:{moment.minute:02d}{'AM' if moment.hour < 12 else 'PM'}"
    return f"{message}. Retrying attempt #{retry_count + 1} at {clock}."
