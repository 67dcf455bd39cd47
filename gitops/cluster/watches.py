"""Many watches in one thread: a selector over their connections, and a few helpers for what has to wait.

Lists and the opening of connections block, so they run on at most four helper threads, which is also what keeps a
restarted API server from being stormed. All callbacks come from the one thread that calls `poll` or `run`.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from queue import SimpleQueue
from random import uniform

from gitops.cluster.errors import ApiError, ApiRefused, UnknownKind
from gitops.cluster.stream import Stream, open_stream
from gitops.cluster.watch import Watch
from gitops.errors import ClusterError, GitOpsError

_log = logging.getLogger(__name__)

_HELPERS = 4
#: Seconds that the opening of a watch may take.
_OPEN_TIMEOUT = 30.0
#: Bookmarks come once a minute; a connection that is silent for longer than this is dead.
_SILENCE = 150.0
#: A list that comes as a watch must not pause for longer than this; else this server cannot do it.
_LIST_SILENCE = 30.0
#: Seconds between the attempts, doubled from the first to the last, each drawn at random from its upper half.
_BACKOFF = (0.1, 30.0)
#: Seconds until a kind that is gone or forbidden is looked at again.
_REFUSED_PAUSE = 60.0
#: Seconds that a stream must last to count as a success.
_SUCCESS = 5.0
#: Seconds until what follows a round of events is tried again after a failure.
_AFTER_PAUSE = 1.0


@dataclass(eq=False)
class _Entry:
    watch: Watch
    stream: Stream | None = None
    opened: float = 0.0
    heard: float = 0.0
    failures: int = 0
    removed: bool = False
    #: Whether a helper has it, so that it is never opened twice.
    busy: bool = False


class Watches:
    """Follows any number of watches. `add`, `remove` and `stop` may be called from any thread."""

    def __init__(self, *, silence: float = _SILENCE, list_silence: float = _LIST_SILENCE) -> None:
        """`silence`: seconds without a byte after which a connection counts as dead; `list_silence`: likewise while a
        list comes as a watch."""
        self._after: Callable[[float], float] = lambda _now: inf
        self._after_at = inf
        self._silence = silence
        self._list_silence = list_silence
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_out, selectors.EVENT_READ, None)
        self._entries: dict[Watch, _Entry] = {}
        self._inbox: deque[Callable[[], None]] = deque()
        self._due: list[tuple[float, int, _Entry]] = []
        self._order = itertools.count()
        self._hot: set[_Entry] = set()
        self._next_check = 0.0
        self._jobs: SimpleQueue[_Entry | None] = SimpleQueue()
        self._helpers: list[threading.Thread] = []
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, watch: Watch) -> None:
        """Follow one more."""
        self._post(lambda: self._add(watch))

    def remove(self, watch: Watch) -> None:
        """Follow it no longer; when the next `poll` has begun no further callback comes."""
        self._post(lambda: self._remove(watch))

    def after(self, call: Callable[[float], float]) -> None:
        """Have this called with time.monotonic() after each round of events, from the thread of the callbacks.

        It says after how many seconds it wants to be called again if no event comes before. An error of it is logged,
        and it is called again in a second.
        """
        self._after = call

    def run(self) -> None:
        """Deliver events until `stop` is called."""
        while not self._stopped.is_set():
            self.poll(60.0)
        self._close()

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="watches", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End `run` promptly; waits for its thread if `start` made it. Every connection is closed then."""
        self._stopped.set()
        self._wake()
        if self._thread is None:
            return
        if self._thread is not threading.current_thread():
            self._thread.join()

    def poll(self, timeout: float) -> None:
        """Deliver what has come; waits at most `timeout` seconds for something to come. For callers with a loop of
        their own, who call `close` in the end."""
        self._start_due()
        for entry in list(self._hot):
            self._read(entry)
        wait = 0.0 if self._hot or self._inbox else min(timeout, self._until_next())
        for key, _ in self._selector.select(wait):
            if key.data is None:
                with suppress(BlockingIOError):
                    while self._wake_out.recv(4096):
                        pass
            else:
                self._read(key.data)
        for _ in range(len(self._inbox)):
            self._inbox.popleft()()
        self._check_silence()
        self._call_after()

    def close(self) -> None:
        """Close every connection and end the helpers, for callers of `poll`."""
        self._stopped.set()
        self._close()

    # --- the life of an entry, all in the one thread -----------------------------------------------------------------

    def _add(self, watch: Watch) -> None:
        entry = self._entries[watch] = _Entry(watch)
        self._schedule(entry, 0.0)

    def _remove(self, watch: Watch) -> None:
        entry = self._entries.pop(watch, None)
        if entry:
            entry.removed = True
            self._drop(entry)

    def _schedule(self, entry: _Entry, delay: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + delay, next(self._order), entry))

    def _until_next(self) -> float:
        now = time.monotonic()
        nearest = min(self._due[0][0] if self._due else now + 60.0, self._next_check, self._after_at)
        return max(0.0, nearest - now)

    def _call_after(self) -> None:
        now = time.monotonic()
        try:
            self._after_at = now + self._after(now)
        except Exception:
            _log.exception("what follows the events of watches has failed; it is tried again")
            self._after_at = now + _AFTER_PAUSE

    def _start_due(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            entry = heapq.heappop(self._due)[2]
            if not entry.removed and entry.stream is None and not entry.busy:
                entry.busy = True
                self._job(entry)

    def _opened(self, entry: _Entry, stream: Stream) -> None:
        entry.busy = False
        if entry.removed or self._stopped.is_set():
            stream.close()
            return
        entry.stream = stream
        entry.opened = entry.heard = time.monotonic()
        self._selector.register(stream, selectors.EVENT_READ, entry)
        self._hot.add(entry)  # the first lines may have come with the head
        try:
            entry.watch.opened()
        except Exception as defect:
            self._defect(entry, defect)

    def _read(self, entry: _Entry) -> None:
        stream = entry.stream
        if stream is None:
            self._hot.discard(entry)
            return
        try:
            lines, more = stream.read()
            if lines:
                entry.heard = time.monotonic()
            for line in lines:
                entry.watch.line(line)
                if entry.stream is None:  # a callback removed it
                    return
        except ClusterError as error:
            self._ended(entry, error)
            return
        except Exception as defect:
            self._defect(entry, defect)
            return
        if stream.ended:
            self._ended(entry, None)
        elif more:
            self._hot.add(entry)
        else:
            self._hot.discard(entry)

    def _ended(self, entry: _Entry, error: ClusterError | None) -> None:
        """The stream is over: by its time, by an ERROR event, or because it broke."""
        self._drop(entry)
        lasted = time.monotonic() - entry.opened
        if isinstance(error, ApiError) and (error.gone or entry.watch.needs_pages):
            self._schedule(entry, 0.0 if entry.failures == 0 else self._pause(entry))
            entry.failures += 1  # a server that says so again and again is not asked again and again
            return
        if error is not None or lasted < _SUCCESS:
            self._failed(entry, error)
            return
        entry.failures = 0
        self._schedule(entry, uniform(0.0, 0.2))  # noqa: S311

    def _defect(self, entry: _Entry, defect: Exception) -> None:
        """A callback raised: the others go on, and this watch begins again with the event that was not taken."""
        _log.error("%r: an event could not be handled and comes again", entry.watch, exc_info=defect)
        self._drop(entry)
        self._failed(entry, None)

    def _failed(self, entry: _Entry, error: ClusterError | None) -> None:
        entry.busy = False
        if entry.removed:
            return
        if entry.opened and time.monotonic() - entry.opened > _SUCCESS:
            entry.failures = 0
        if isinstance(error, ApiRefused | UnknownKind):
            pause = uniform(_REFUSED_PAUSE / 2, _REFUSED_PAUSE)  # noqa: S311
        else:
            pause = self._pause(entry)
        if isinstance(error, ApiError) and error.retry_after:
            pause = max(pause, error.retry_after)
        entry.failures += 1
        entry.opened = 0.0
        self._schedule(entry, pause)
        if error is not None:
            entry.watch.failed(error)

    def _pause(self, entry: _Entry) -> float:
        longest = min(_BACKOFF[1], _BACKOFF[0] * 2 ** min(entry.failures, 16))
        return uniform(longest / 2, longest)  # noqa: S311

    def _check_silence(self) -> None:
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + min(5.0, self._silence / 4, self._list_silence / 4)
        for entry in list(self._entries.values()):
            if entry.stream is None:
                continue
            if entry.watch.listing and now - entry.heard > self._list_silence:
                entry.watch.no_bookmark()
                self._drop(entry)
                self._schedule(entry, 0.0)
            elif now - entry.heard > self._silence:
                seconds = int(now - entry.heard)
                self._ended(entry, ClusterError(f"{entry.watch}: nothing was heard for {seconds} s; it starts anew"))

    def _drop(self, entry: _Entry) -> None:
        self._hot.discard(entry)
        if entry.stream is not None:
            self._selector.unregister(entry.stream)
            entry.stream.close()
            entry.stream = None

    # --- helpers: what blocks ----------------------------------------------------------------------------------------

    def _job(self, entry: _Entry) -> None:
        if len(self._helpers) < min(_HELPERS, len(self._entries)):
            helper = threading.Thread(target=self._help, name="watches-helper", daemon=True)
            self._helpers.append(helper)
            helper.start()
        self._jobs.put(entry)

    def _help(self) -> None:
        while (entry := self._jobs.get()) is not None and not self._stopped.is_set():
            try:
                self._work(entry)
            except ClusterError as error:
                self._post_failure(entry, error)
            except GitOpsError as error:
                self._post_failure(entry, ClusterError(str(error)))

    def _work(self, entry: _Entry) -> None:
        watch = entry.watch
        watch.resolve()
        if watch.needs_pages:
            self._list(entry)
        try:
            stream = open_stream(
                watch.client.transport,
                watch.path(),
                watch.accept,
                watch.client.connection.headers,
                f"watch {watch.gvk.kind}",
                _OPEN_TIMEOUT,
            )
        except ApiError as error:
            if error.status == 404:
                watch.client.discovery.invalidate()
            if watch.refused(error):
                self._post(lambda: self._again(entry))
                return
            raise
        self._post(lambda: self._opened(entry, stream))

    def _again(self, entry: _Entry) -> None:
        """The server refused this request but may take another; at once, unless it refuses again and again."""
        entry.busy = False
        self._schedule(entry, self._pause(entry) if entry.failures else 0.0)
        entry.failures += 1

    def _list(self, entry: _Entry) -> None:
        watch = entry.watch
        version = ""
        begun = False
        for page in watch.client.pages(
            watch.gvk,
            namespace=watch.namespace,
            labels=watch.labels,
            fields=watch.fields,
            metadata_only=watch.metadata_only,
        ):
            if not begun:
                self._deliver(entry, watch.begin_list)
                begun = True
            self._deliver(entry, partial(watch.page, page.items))
            version = page.resource_version
        self._deliver(entry, lambda: watch.end_list(version))

    def _deliver(self, entry: _Entry, call: Callable[[], None]) -> None:
        """Have the one thread do `call`, and wait until it has, so that a list is never held in whole.

        Raises ClusterError where that failed, or is no longer wanted.
        """
        done = threading.Event()
        good: list[bool] = []

        def deliver() -> None:
            try:
                if not entry.removed:
                    call()
                    good.append(True)
            except Exception as defect:
                _log.error("%r: a list could not be handled and comes again", entry.watch, exc_info=defect)
            finally:
                done.set()

        self._post(deliver)
        while not done.wait(1.0):
            if self._stopped.is_set():
                break
        if not good:
            raise ClusterError(f"{entry.watch}: its list was not taken; it comes again")

    def _post_failure(self, entry: _Entry, error: ClusterError) -> None:
        self._post(lambda: self._failed(entry, error))

    def _post(self, call: Callable[[], None]) -> None:
        self._inbox.append(call)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # full: it will wake anyway; closed: nobody is left to be woken
            self._wake_in.send(b"\0")

    def _close(self) -> None:
        for entry in self._entries.values():
            entry.removed = True
            self._drop(entry)
        self._entries.clear()
        for _ in self._helpers:
            self._jobs.put(None)
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()
