"""The bounds of a status: etcd takes 1.5 MiB for all of an object, and one that outgrew it could never be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

Row = dict[str, Any]

#: Bytes of JSON that `status.resources` and an operation's results may have.
RESOURCES_BYTES, RESULTS_BYTES = 600_000, 300_000
#: Characters of a message.
LONGEST = 4096


def fitting(rows: Sequence[Row], limit: int, matters: Callable[[Row], bool]) -> list[Row]:
    """As many rows as `limit` bytes of JSON hold, in their order: those that matter first, then the others.

    etcd's bound is its `--max-request-bytes`.
    """
    whole = list(rows)
    if len(orjson.dumps(whole)) <= limit:
        return whole
    kept: set[int] = set()
    left = limit
    for index in sorted(range(len(whole)), key=lambda at: not matters(whole[at])):
        left -= len(orjson.dumps(whole[index])) + 1
        if left < 0:
            break
        kept.add(index)
    return [row for index, row in enumerate(whole) if index in kept]
