"""The API server's audit log, so that tests can count what was asked of it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users:
  - system:apiserver
  - testbed:kube-controller-manager
  - testbed:kube-scheduler
  - testbed:kwok
- level: None
  nonResourceURLs: ["/readyz*", "/healthz*", "/livez*"]
- level: Metadata
"""
#: Bytes of the longest line, at the most.
LONGEST = 1 << 20


@dataclass(frozen=True)
class AuditLog:
    """Events of every request but the testbed's own; a watch has two, when it is answered and when it ends."""

    path: Path

    def mark(self) -> int:
        """The log's end now, for `events(since=…)`; where the server is just writing a line, the line's beginning."""
        with self.path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - LONGEST)
            file.seek(start)
            return start + file.read().rfind(b"\n") + 1

    def events(self, since: int = 0, *, user: str = "", verb: str = "", resource: str = "") -> list[dict[str, Any]]:
        """The events written after `since`, of a user (or the start of its name), verb and resource where given."""
        with self.path.open("rb") as file:
            file.seek(since)
            lines = file.read().split(b"\n")[:-1]
        events = (json.loads(line) for line in lines)
        return [
            event
            for event in events
            if event["user"].get("username", "").startswith(user)
            and (not verb or event["verb"] == verb)
            and (not resource or event.get("objectRef", {}).get("resource") == resource)
        ]
