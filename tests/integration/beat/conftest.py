"""A State over a real Redis with Celery's own messages."""

from __future__ import annotations

import pytest

from gitops.settings import Settings
from gitops.state import State
from gitops.state.envelope import envelope


@pytest.fixture
def state(redis_url: str) -> State:
    return State(Settings(redis_url=redis_url, seal_key="of the test", lease_ttl=1.0), envelope)
