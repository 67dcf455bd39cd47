"""Who follows what: beats that run, and a lease with a fencing token for each part of the clusters (a shard)."""

from __future__ import annotations

import time

import redis

from gitops.state.keys import Keys, url_hash
from gitops.state.lease import _DROP, _TAKE, Fence

#: Counts a beat among those that run, by Redis' own clock, and forgets those that are silent.
_JOIN = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
return redis.call('ZCARD', KEYS[1])
"""


class Shards:
    """Leases of `ttl` seconds, renewed well before they end. What a beat that died held is free after that time."""

    def __init__(self, client: redis.Redis, keys: Keys, ttl: float) -> None:
        self._redis, self._keys, self.ttl = client, keys, ttl
        self._members = f"{keys.prefix}beats"

    def _key(self, shard: str) -> str:
        return f"{self._keys.prefix}shard:{url_hash(shard)}"

    def join(self, member: str) -> int:
        """This beat runs. Returns how many do."""
        return int(self._redis.eval(_JOIN, 1, self._members, member, self.ttl))

    def leave(self, member: str) -> None:
        """It ends in good order."""
        self._redis.zrem(self._members, member)

    def hold(self, shard: str, member: str) -> Fence | None:
        """Take or renew the lease of a shard; None where another has it."""
        key = self._key(shard)
        ttl, now = int(self.ttl * 1000), int(time.time() * 1000)
        token = int(self._redis.eval(_TAKE, 2, key, self._keys.fence, member, ttl, now))
        return Fence(key, token) if token else None

    def drop(self, shard: str, member: str) -> None:
        """Give it up, so that another may have it at once."""
        self._redis.eval(_DROP, 1, self._key(shard), member)

    def holder(self, shard: str) -> str:
        """Who holds a shard, or ""."""
        held = self._redis.get(self._key(shard))
        return held.decode().split("|", 1)[1] if isinstance(held, bytes) else ""
