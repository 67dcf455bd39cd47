"""Notifications after a change of an Application's status, from a thread of their own: no task waits for a receiver."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from gitops.errors import GitOpsError
from gitops.model.application import Application
from gitops.model.objects import Object
from gitops.observe import logs
from gitops.observe.notify import Memory, Notifier, NotifyConfig

logger = logging.getLogger("gitops.notify")

#: Changes that wait for a slow receiver in one process; beyond it the oldest is given up, and the log says so.
WAITING = 256


class Notices:
    """Tells people what they subscribed to. Nothing that goes wrong here reaches the task."""

    def __init__(
        self,
        config: Callable[[], NotifyConfig],
        memory: Memory,
        waiting: int = WAITING,
        project: Callable[[Object], Object | None] = lambda _app: None,
    ) -> None:
        """`config` gives the control namespace's configuration of now, `project` an Application's AppProject; both are
        asked in the caller's thread."""
        self._config, self._memory, self._project = config, memory, project
        self._waiting: queue.Queue[tuple[NotifyConfig, Object, Object | None]] = queue.Queue(waiting)
        self._thread: threading.Thread | None = None

    def tell(self, app: Object | None) -> None:
        """The Application object is this now; returns at once."""
        if app is None or (found := self._subscribed(app)) is None:
            return
        config, project = found
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
            self._thread.start()
        while True:
            try:
                self._waiting.put_nowait((config, app, project))
                return
            except queue.Full:
                self._give_up_oldest()

    def tell_running(self, app: Application, state: Object) -> None:
        """An operation has begun; `state` is its `operationState`, which may never be written while it runs."""
        head: Object = {"metadata": app.metadata, "spec": {"project": app.spec.project}}
        if self._subscribed(head):
            status = {**app.status, "operationState": state}
            self.tell({"metadata": app.metadata, "spec": app.spec.to_api(), "status": status})

    def close(self, timeout: float = 5.0) -> None:
        """Give what waits `timeout` seconds to go out."""
        deadline = time.monotonic() + timeout
        while self._waiting.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.05)

    def _subscribed(self, app: Object) -> tuple[NotifyConfig, Object | None] | None:
        """The configuration and the project, where somebody wants to be told of the Application; else None."""
        try:
            config, project = self._config(), self._project(app)
            return (config, project) if config.subscribed(app, project) else None
        except Exception as error:
            why = str(error) if isinstance(error, GitOpsError) else type(error).__name__
            logs.event(logger, f"no notification: {why}", logging.WARNING)
            return None

    def _give_up_oldest(self) -> None:
        try:
            _config, app, _project = self._waiting.get_nowait()
        except queue.Empty:
            return
        self._waiting.task_done()
        name = f"{app['metadata'].get('namespace')}/{app['metadata'].get('name')}"
        logs.event(logger, "a notification is given up: receivers are too slow", logging.ERROR, app=name)

    def _run(self) -> None:
        while True:
            config, app, project = self._waiting.get()
            try:
                Notifier(lambda config=config: config, self._memory).process(app, project)  # type: ignore[misc]
            except Exception as error:
                # Redis away, or a template that renders without end: the next change tries again.
                logs.event(logger, f"no notification: {type(error).__name__}", logging.WARNING)
            finally:
                self._waiting.task_done()
