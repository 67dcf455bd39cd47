"""Who leads: a short lease with a fencing token. It decides who runs the watches; the claims need no leader."""

from __future__ import annotations

from typing import NamedTuple, cast

import redis

from gitops.state.keys import Keys

_TAKE = """
local held = redis.call('GET', KEYS[1])
if held and not string.find(held, '|' .. ARGV[1], 1, true) then return 0 end
if held then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(string.match(held, '^%d+'))
end
local token = math.max(tonumber(ARGV[3]), tonumber(redis.call('GET', KEYS[2]) or '0') + 1)
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], text .. '|' .. ARGV[1], 'PX', ARGV[2])
return token
"""
_DROP = """
local held = redis.call('GET', KEYS[1])
if held and string.find(held, '|' .. ARGV[1], 1, true) then redis.call('DEL', KEYS[1]) end
"""


class Fence(NamedTuple):
    """What the holder of a lease shows with what it changes: the lease's key, and the token that it had from it."""

    key: str
    token: int


class Lease:
    """The leader's lease, `ttl` seconds long; the leader renews it well before it ends."""

    def __init__(self, client: redis.Redis, keys: Keys, ttl: float) -> None:
        self._redis, self._keys, self.ttl = client, keys, ttl

    def hold(self, owner: str, now: float) -> int:
        """Take or renew the lease. Returns its fencing token, 0 where somebody else leads."""
        keys = [self._keys.leader, self._keys.fence]
        return int(self._redis.eval(_TAKE, 2, *keys, owner, int(self.ttl * 1000), int(now * 1000)))

    def fence(self, token: int) -> Fence:
        """What a leader with this token shows."""
        return Fence(self._keys.leader, token)

    def stands(self, fence: Fence) -> bool:
        """Whether the lease is still that of the one who shows this."""
        held = cast(bytes | None, self._redis.get(fence.key))
        return held is not None and int(held.split(b"|", 1)[0]) == fence.token

    def drop(self, owner: str) -> None:
        """Give it up, so that a standby need not wait for its end."""
        self._redis.eval(_DROP, 1, self._keys.leader, owner)

    def leader(self) -> str:
        """Who leads, or ""."""
        held = cast(bytes | None, self._redis.get(self._keys.leader))
        return held.decode().split("|", 1)[1] if held else ""
