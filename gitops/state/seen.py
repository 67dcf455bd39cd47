"""Webhooks that were received lately: one web server knows what another has seen."""

from __future__ import annotations

import hashlib

import redis

from gitops.errors import GitOpsError
from gitops.state.keys import Keys

#: Seconds that a body is remembered. What is let in is bounded by a rate, so this bounds how many are.
WINDOW = 3600


class Seen:
    """Bodies by their digest. Raises GitOpsError where Redis does not answer."""

    def __init__(self, client: redis.Redis, keys: Keys, window: int = WINDOW) -> None:
        self._redis, self._keys, self._window = client, keys, window

    def first(self, body: bytes) -> bool:
        """Remember a body; whether it was new within the window. Of several that ask at once, one hears yes."""
        try:
            return bool(self._redis.set(self._key(body), b"", nx=True, ex=self._window))
        except redis.RedisError as error:
            raise GitOpsError(f"Redis does not answer ({type(error).__name__})") from None

    def forget(self, body: bytes) -> None:
        """What could not be acted upon may come again."""
        try:
            self._redis.delete(self._key(body))
        except redis.RedisError as error:
            raise GitOpsError(f"Redis does not answer ({type(error).__name__})") from None

    def _key(self, body: bytes) -> str:
        return self._keys.webhook(hashlib.blake2b(body, digest_size=16).hexdigest())
