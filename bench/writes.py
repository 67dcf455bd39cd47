"""When objects were written, and what else was asked for: the API server's audit log, read as it grows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from bench import BenchError
from testbed.audit import AuditLog

WRITES = {"create", "patch", "update"}
#: Resources of the fleet; others that live in its namespaces (Events, Pods, Leases) are not the engine's objects.
RESOURCES = {"serviceaccounts", "configmaps", "services", "deployments", "networkpolicies"}


class Writes:
    """The first write of each of the fleet's objects by one user since this was made."""

    def __init__(self, audit: AuditLog, user: str) -> None:
        self._audit, self._user = audit, user
        self._position = audit.mark()
        self._rest = b""
        self.first: dict[tuple[str, str, str], float] = {}
        #: Requests of the user by verb and resource, watches excluded.
        self.requests: Counter[str] = Counter()

    def read(self) -> None:
        """Take in what was logged since."""
        with self._audit.path.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        self._position += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            event = orjson.loads(line)
            if event["user"].get("username") == self._user and event["verb"] != "watch":
                self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        ref = event.get("objectRef") or {}
        resource, code = ref.get("resource") or event["requestURI"].split("?")[0], event["responseStatus"].get("code")
        if ref.get("subresource"):
            resource += "/" + ref["subresource"]
        dry = "dryRun=" in event["requestURI"]
        self.requests[f"{event['verb']} {resource}{' (dry run)' if dry else ''}"] += 1
        namespace = ref.get("namespace", "")
        written = event["verb"] in WRITES and code in {200, 201} and not dry
        if written and resource in RESOURCES and namespace.startswith("bench-"):
            at = datetime.fromisoformat(event["stageTimestamp"].replace("Z", "+00:00")).timestamp()
            self.first.setdefault((resource, namespace, ref["name"]), at)

    def wait(self, count: int, timeout: float, progress: Callable[[int], None] = lambda _: None) -> float:
        """Wait until `count` different objects were written; the time (unix seconds) of the last one's first write.

        Raises BenchError after `timeout` seconds without a further object.
        """
        seen, since = 0, time.monotonic()
        while True:
            self.read()
            if len(self.first) != seen:
                seen, since = len(self.first), time.monotonic()
                progress(seen)
            if seen >= count:
                return max(self.first.values())
            if time.monotonic() - since > timeout:
                raise BenchError(f"{seen} of {count} objects were written, and none in the last {timeout:g} seconds")
            time.sleep(0.1)
