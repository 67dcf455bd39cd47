"""The Celery application: configuration, logging, and what a worker does when it starts and stops."""

from __future__ import annotations

import os
import sys
from typing import Any

from billiard.compat import mem_rss
from billiard.pool import EX_RECYCLE
from celery import Celery, signals

from gitops.settings import settings
from workers import malloc, transport
from workers.config import celery_config

# A worker's children count in files that its parent reads, and the metrics must know that before they are made. It is
# said to this process alone: a probe that runs beside it has the same settings, and must not empty the directory.
if settings().metrics_port and "worker" in sys.argv:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings().metrics_dir or settings().data_dir / "metrics")

malloc.bound()
transport.register()
app = Celery("gitops")
app.conf.update(celery_config(settings()))


@signals.setup_logging.connect
def _logging(**_: Any) -> None:
    from gitops.observe import logs

    logs.setup(settings().log_format, settings().log_level)


@signals.worker_init.connect
def _worker_init(sender: Any = None, **_: Any) -> None:
    """Check what the worker stands on before it takes a message, and start what its children share."""
    from workers.parent import Parent

    Parent.start(str(getattr(sender, "hostname", sender)))


@signals.worker_process_init.connect
def _child_init(**_: Any) -> None:
    from gitops.observe import trace
    from workers import memory
    from workers.runtime import reset

    memory.bound()
    reset()
    trace.start("gitops-worker", settings().trace_endpoint)


@signals.worker_process_shutdown.connect
def _child_shutdown(exitcode: int = 0, **_: Any) -> None:
    from gitops.observe import metrics, trace
    from workers.runtime import close

    if exitcode == EX_RECYCLE:
        outgrown = mem_rss() > settings().child_memory_limit_kib
        metrics.child_recycled("memory" if outgrown else "tasks")
    close()
    trace.stop()


@signals.heartbeat_sent.connect
def _loop_turns(**_: Any) -> None:
    from gitops.observe import probe

    probe.mark(settings().data_dir, "worker-loop")


@signals.worker_shutdown.connect
def _worker_shutdown(**_: Any) -> None:
    from workers.parent import Parent

    Parent.stop()
