"""Lists in an object's status that must stay below what the cluster's store takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

Row = dict[str, Any]


def fitting(rows: Sequence[Row], limit: int, matters: Callable[[Row], bool]) -> list[Row]:
    """As many rows as `limit` bytes of JSON hold, in their order: those that matter first, then the others.

    etcd refuses a request of more than 1.5 MiB (its `--max-request-bytes`), and an object whose status grows beyond
    that could never be written again.
    """
    whole = list(rows)
    if len(orjson.dumps(whole)) <= limit:
        return whole
    kept: set[int] = set()
    left = limit
    for index in [*_where(whole, matters, True), *_where(whole, matters, False)]:
        left -= len(orjson.dumps(whole[index])) + 1
        if left < 0:
            break
        kept.add(index)
    return [row for index, row in enumerate(whole) if index in kept]


def _where(rows: Iterable[Row], matters: Callable[[Row], bool], answer: bool) -> Iterable[int]:
    return (index for index, row in enumerate(rows) if matters(row) is answer)
