"""When a failed operation is tried again (specs section 5, operation retry)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from gitops.sync.backoff import may_retry, retry_delay, retry_message
from gitops.sync.ports import SUCCEEDED, TERMINATING, Done
from gitops.sync.record import OperationRecord, format_time


class PendingRetry(NamedTuple):
    """Another attempt: when (Unix seconds), and the operation's message until then."""

    at: float
    message: str


def next_retry(record: OperationRecord, done: Done, now: float) -> PendingRetry | None:
    """Write on the record that the operation is tried again, if its retry policy has an attempt left.

    Takes the record, how the attempt ended and Unix seconds. None: the operation has ended. It is never tried again
    once it succeeded or was terminated. `advance` begins the attempt when its time has come, and asks for a new plan.

    Raises InvalidSpecError where a duration of the backoff cannot be read.
    """
    policy = record.operation.retry
    if done.phase == SUCCEEDED or record.phase == TERMINATING:
        return None
    if not may_retry(policy, record.retry_count):
        return None
    record.retry_at = now + retry_delay(policy, record.retry_count)
    record.retry_refresh = policy.refresh
    record.finished_at = format_time(datetime.fromtimestamp(int(now), UTC))
    record.message = retry_message(done.message, record.retry_count, record.retry_at)
    return PendingRetry(record.retry_at, record.message)
