"""Which notifications were sent, so that each revision is told once (specs section 9)."""

from __future__ import annotations

import hashlib
import time

import redis

from gitops.state.keys import Keys

#: Notifications remembered of one application; the ones that have not held for longest go first.
KEPT = 256
#: Seconds that they are remembered after the application's last one.
TTL = 90 * 86_400


class Notices:
    """What was sent, of each application. Only digests rest here: a key names a recipient."""

    def __init__(self, client: redis.Redis, keys: Keys, kept: int = KEPT, ttl: int = TTL) -> None:
        self._redis, self._keys, self._kept, self._ttl = client, keys, kept, ttl

    def first(self, app_id: str, key: str) -> bool:
        """Remember `key`; whether it was new. Of several processes that ask at once, one hears yes."""
        place = self._keys.notices(app_id)
        pipe = self._redis.pipeline(transaction=True)
        pipe.zadd(place, {_digest(key): time.time()})
        pipe.zremrangebyrank(place, 0, -(self._kept + 1))
        pipe.expire(place, self._ttl)
        return bool(pipe.execute()[0])

    def forget(self, app_id: str, key: str) -> None:
        """The key may be sent again."""
        self._redis.zrem(self._keys.notices(app_id), _digest(key))

    def remembered(self, app_id: str) -> int:
        """How many notifications of an application are remembered."""
        return int(self._redis.zcard(self._keys.notices(app_id)))


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=16).digest()
