"""What a worker's parent process does beside feeding its children: say that it lives, and serve metrics."""

from __future__ import annotations

import gc
import logging
import os
import threading
from typing import ClassVar

from gitops.errors import GitOpsError
from gitops.observe import multiprocess
from gitops.settings import settings
from gitops.state import State
from gitops.state.queue import GENERATE, TASKS

logger = logging.getLogger("gitops.worker")


class Parent:
    """One thread that says every few seconds that this worker lives."""

    current: ClassVar[Parent | None] = None

    def __init__(self, hostname: str) -> None:
        self.worker = f"{hostname}:{os.getpid()}"
        self.state = State(settings())
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._live, name="alive", daemon=True)

    @classmethod
    def start(cls, hostname: str) -> None:
        """Begin, before the worker takes its first message."""
        parent = cls.current = cls(hostname)
        # A container that restarts has the name and process id of the one that died: its work is wished for again.
        parent.state.workers.leave(parent.worker)
        parent.state.workers.reap()
        parent.state.workers.say_alive(parent.worker)
        _preload()
        if settings().metrics_port:
            _serve()
        parent._thread.start()

    @classmethod
    def stop(cls) -> None:
        """End in good order."""
        if cls.current:
            cls.current._stopped.set()
            cls.current.state.workers.leave(cls.current.worker)

    def _live(self) -> None:
        while not self._stopped.wait(self.state.workers.ttl / 3):
            try:
                self.state.workers.say_alive(self.worker)
                if directory := multiprocess.directory():
                    multiprocess.archive_dead(directory)
            except Exception as error:
                logger.warning("cannot say that this worker lives: %s", error)


def _preload() -> None:
    """Load what tasks need before the fork, so that the children share its pages, and start their render process."""
    from workers.runtime import connection, renderer

    renderer().start()
    try:
        connection()
    except GitOpsError as error:
        logger.error("this worker cannot reach its control cluster: %s", error)
    gc.collect()
    gc.freeze()


def _serve() -> None:
    from gitops.observe import serve
    from gitops.observe.metrics import build_info, from_zero

    build_info("worker")
    from_zero((*TASKS, GENERATE))
    serve(settings().metrics_port, settings().metrics_host)
