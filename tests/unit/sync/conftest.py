"""Tests of the sync room share an API server in memory, `sync_twin`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sync_twin import World


@pytest.fixture
def world() -> World:
    """A cluster in memory, an Application, and its operation to be."""
    return World()
