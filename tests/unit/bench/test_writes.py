"""The benchmarks read the audit log while the API server writes it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from bench.writes import Writes
from testbed.audit import AuditLog


def line(name: str) -> bytes:
    event = {
        "user": {"username": "engine"},
        "verb": "patch",
        "requestURI": "/",
        "objectRef": {"resource": "configmaps", "namespace": "bench-00", "name": name},
        "responseStatus": {"code": 200},
        "stageTimestamp": "2026-01-01T00:00:00.000000Z",
    }
    return orjson.dumps(event) + b"\n"


@pytest.mark.parametrize("written", [0, 1, 50, -1])
def test_a_line_that_is_half_written_at_the_beginning_is_read_whole(tmp_path: Path, written: int) -> None:
    log = AuditLog(tmp_path / "audit.log")
    second = line("second")
    log.path.write_bytes(line("first") + second[:written])
    writes, since = Writes(log, "engine"), log.mark()
    with log.path.open("ab") as file:
        file.write(second[written:] + line("third"))
    writes.read()
    assert [name for _, _, name in writes.first] == ["second", "third"]
    assert [event["objectRef"]["name"] for event in log.events(since)] == ["second", "third"]
