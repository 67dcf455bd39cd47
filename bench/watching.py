"""When one object changed: a watch of one kind across the fleet."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bench import BenchError
from bench.fleet import LABEL
from testbed.closing import Closing

Matches = Callable[[str, dict[str, Any]], bool]


@dataclass
class Expected:
    """A change that is waited for; `at` is when its event came, on time.perf_counter's clock."""

    name: str
    matches: Matches
    seen: threading.Event = field(default_factory=threading.Event)
    at: float = 0.0

    def wait(self, timeout: float = 60.0) -> float:
        """The time of the event. Raises BenchError when it does not come."""
        if not self.seen.wait(timeout):
            raise BenchError(f"the change of {self.name} was not seen within {timeout:g} s")
        return self.at


class FleetWatch(Closing):
    """Follows a collection, such as "/api/v1/configmaps", from now on."""

    def __init__(self, port: int, ca_file: Path, token: str, collection: str) -> None:
        self._expected: Expected | None = None
        context = ssl.create_default_context(cafile=str(ca_file))
        self._headers = {"Authorization": f"Bearer {token}"}
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=600)
        selector = f"labelSelector={LABEL}"
        self._connection.request("GET", f"{collection}?{selector}&limit=1", headers=self._headers)
        answer = orjson.loads(self._connection.getresponse().read())
        version = answer["metadata"]["resourceVersion"]
        self._connection.request(
            "GET", f"{collection}?{selector}&watch=1&resourceVersion={version}&timeoutSeconds=3000",
            headers=self._headers,
        )  # fmt: skip
        self._response = self._connection.getresponse()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def expect(self, name: str, matches: Matches) -> Expected:
        """Look out for an event (its type and object) of an object of this name; ask before causing it."""
        self._expected = Expected(name, matches)
        return self._expected

    def _run(self) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException, AttributeError):
            while line := self._response.readline():
                now = time.perf_counter()
                event = orjson.loads(line)
                expected = self._expected
                if expected is None or expected.seen.is_set():
                    continue
                obj = event["object"]
                if obj["metadata"].get("name") == expected.name and expected.matches(event["type"], obj):
                    expected.at = now
                    expected.seen.set()

    def close(self) -> None:
        """End the watch."""
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(2)
