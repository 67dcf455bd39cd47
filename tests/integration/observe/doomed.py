"""The workers' application with tasks of a test's own, which do not end well."""

from __future__ import annotations

import os
import signal
import time

from celery.exceptions import SoftTimeLimitExceeded

from workers import app
from workers.task import EngineTask

__all__ = ["app"]


@app.task(name="gitops.test-killed", base=EngineTask, ignore_result=False, reject_on_worker_lost=False)
def killed() -> None:
    """Be killed from outside, as by the kernel when the node's memory is at its end."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="gitops.test-endless", base=EngineTask, ignore_result=False, soft_time_limit=1, time_limit=2)
def endless() -> None:
    """Heed no soft limit."""
    while True:
        try:
            time.sleep(60)
        except SoftTimeLimitExceeded:
            continue


@app.task(name="gitops.test-large", base=EngineTask, ignore_result=False)
def large(mib: int) -> int:
    """Use memory."""
    return len(bytearray(mib << 20))
