"""What lies in a namespace and belongs to no application: one list for all applications whose destination it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import orjson
import redis

from gitops.model.objects import ObjectKey
from gitops.state.keys import Keys, url_hash
from gitops.state.seal import Seal

#: Objects that are kept of one namespace at the most.
MOST = 5000
#: Seconds that one process may take to list a namespace before another may.
LISTING_SECONDS = 60


class Strays:
    """Lists of objects by cluster and namespace, each for as long as it is believed."""

    def __init__(self, client: redis.Redis, keys: Keys, seal: Seal) -> None:
        self._redis, self._prefix, self._seal = client, f"{keys.prefix}strays:", seal

    def _key(self, server: str, namespace: str) -> str:
        return f"{self._prefix}{url_hash(server)}:{namespace}"

    def get(self, server: str, namespace: str) -> list[ObjectKey] | None:
        """The list; None where there is none (any more)."""
        key = self._key(server, namespace)
        data = self._seal.open(key, cast(bytes | None, self._redis.get(key)))
        return [ObjectKey(*entry) for entry in orjson.loads(data)] if data else None

    def put(self, server: str, namespace: str, found: Sequence[ObjectKey], seconds: float) -> None:
        """Keep a list for so many seconds."""
        key = self._key(server, namespace)
        data = orjson.dumps([list(entry) for entry in found[:MOST]])
        self._redis.set(key, self._seal.seal(key, data), px=max(1, int(seconds * 1000)))

    def claim(self, server: str, namespace: str) -> bool:
        """Whether the caller is the one who lists the namespace now."""
        return bool(self._redis.set(f"{self._key(server, namespace)}:listing", "1", nx=True, ex=LISTING_SECONDS))

    def release(self, server: str, namespace: str) -> None:
        """The one who listed has ended."""
        self._redis.delete(f"{self._key(server, namespace)}:listing")
