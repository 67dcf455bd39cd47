"""The broker's connection: kombu's Redis transport, with one client for each channel.

kombu makes a client object for each command that it sends, and redis-py fills a table of some 170 callbacks in each:
about a sixth of what a worker's parent does.
"""

from __future__ import annotations

from typing import Any

from kombu import transport
from kombu.transport import redis


class Channel(redis.Channel):
    """A channel whose client is made once for each connection pool; redis-py's clients hold nothing but their pool."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()
        return self._kept


class Transport(redis.Transport):
    """Registered for Redis URLs by `register`."""

    Channel = Channel


def register() -> None:
    """Let every connection of this process to a Redis broker use this transport."""
    name = f"{__name__}:{Transport.__qualname__}"
    transport.TRANSPORT_ALIASES.update(redis=name, rediss=name)
