"""A State over a real Redis, with messages that can be read back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gitops.settings import Settings
from gitops.state import State


def plain_envelope(task: str, app: str, message_id: str, queue: str) -> bytes:
    return json.dumps({"task": task, "app": app, "id": message_id, "queue": queue}).encode()


@pytest.fixture
def state(redis_url: str) -> State:
    return State(Settings(redis_url=redis_url, seal_key="of the test"), plain_envelope)


@pytest.fixture
def waiting(state: State) -> Callable[[str], list[dict[str, str]]]:
    """The messages of a queue, the one that is served next first."""

    def read(queue: str) -> list[dict[str, str]]:
        return [json.loads(m) for m in reversed(state.redis.lrange(state.keys.queue(queue), 0, -1))]

    return read
