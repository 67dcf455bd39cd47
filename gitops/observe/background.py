"""Writing Events beside the work: at a bounded pace, from a bounded queue, never in the way of a sync."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from gitops.model.objects import Object

logger = logging.getLogger("gitops.observe")

#: Events a second of one process, and how many may wait; beyond that the oldest is dropped.
PER_SECOND = 5.0
WAITING = 500


class BackgroundWriter:
    """Calls `write` from a thread of its own, which starts with the first Event and ends with the process."""

    def __init__(
        self, write: Callable[[Object], None], *, per_second: float = PER_SECOND, waiting: int = WAITING
    ) -> None:
        self._write, self._pause = write, 1.0 / per_second
        self._queue: deque[Object] = deque(maxlen=waiting)
        self._there = threading.Condition()
        self._thread: threading.Thread | None = None

    def __call__(self, event: Object) -> None:
        """Have an Event written soon."""
        with self._there:
            self._queue.append(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
            self._there.notify()

    def _run(self) -> None:
        while True:
            with self._there:
                while not self._queue:
                    self._there.wait()
                event = self._queue.popleft()
            try:
                self._write(event)
            except Exception as error:
                logger.warning("cannot write an Event: %s", error)
            time.sleep(self._pause)
