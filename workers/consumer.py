"""The worker's consumer: Celery's, which tells Flower of tasks in batches rather than one by one."""

from __future__ import annotations

import time

from celery.worker.consumer import Consumer as CeleryConsumer

#: Seconds that a task's events may wait for others. Each batch is one message, and one a turn of the loop was a third
#: of what a worker's parent does.
EVENTS_EVERY = 0.5


class Consumer(CeleryConsumer):
    """Sends what happened to tasks at most twice a second (sooner where Celery's buffer is full)."""

    _flush_at = 0.0

    def on_send_event_buffered(self) -> None:
        """Celery's hook, called for each event that went to the buffer."""
        now = time.monotonic()
        # A flush that a lost connection took away is planned again by the first event after its time.
        if self.hub and now >= self._flush_at:
            self._flush_at = now + EVENTS_EVERY
            self.hub.call_later(EVENTS_EVERY, self._flush_events)
