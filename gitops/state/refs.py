"""What a repository's refs pointed at: one look per interval, whatever the number of applications and workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import redis

from gitops.state.keys import Keys
from gitops.state.queue import Rank
from gitops.state.seal import Seal

#: Only while somebody looks: who is done tells those that wait by then, and nobody after them.
_WAIT = (
    "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end "
    "redis.call('SADD', KEYS[2], ARGV[1]) redis.call('EXPIRE', KEYS[2], 3600) return 1"
)
_FREE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@dataclass(frozen=True, slots=True)
class KnownRefs:
    """A look at a repository: its time (unix seconds), and the serialised refs, or why it failed."""

    at: float
    refs: bytes | None
    error: str
    #: What the wanted revision that was asked for is noted to be; "" where nothing is noted.
    noted: str = ""


class RefsCache:
    """One hash for each repository, forgotten after a day without use."""

    TTL = 86_400

    def __init__(self, client: redis.Redis, keys: Keys, seal: Seal) -> None:
        self._redis, self._keys, self._seal = client, keys, seal

    def get(self, url: str, wanted: str = "") -> KnownRefs | None:
        """The last look, and what is noted of the revision `wanted`; None where there was no look."""
        key = self._keys.refs(url)
        fields = ["at", "refs", "error", f"ref:{wanted}"]
        at, refs, error, noted = cast(list[bytes | None], self._redis.hmget(key, fields))
        if not at:
            return None
        opened = self._seal.open(key, refs)
        why = self._seal.open(f"{key}/error", error)
        if opened is None and why is None:
            return None
        return KnownRefs(float(at), opened, why.decode() if why else "", noted.decode() if noted else "")

    def store(
        self, url: str, refs: bytes, resolve: Callable[[str], str | None], was: Mapping[str, str] | None = None
    ) -> set[str]:
        """Keep a look. Returns the wanted revisions (`HEAD`, `v1.*`, ...) that resolve differently now.

        `was`: what some resolved to before, where that may have been noted anew already.
        """
        key = self._keys.refs(url)
        former = cast(dict[bytes, bytes], self._redis.hgetall(key))
        known = {f[4:].decode(): v.decode() for f, v in former.items() if f.startswith(b"ref:")}
        known |= was or {}
        now = {ref: resolve(ref) or "" for ref in list(known)[:2000]}
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(key)
        pipe.hset(
            key,
            mapping={"at": time.time(), "refs": self._seal.seal(key, refs), **{f"ref:{r}": v for r, v in now.items()}},
        )
        pipe.expire(key, self.TTL)
        pipe.execute()
        return {ref for ref, revision in now.items() if known[ref] != revision}

    def fail(self, url: str, error: str) -> None:
        """Keep why a look failed, so that a broken repository is asked once per interval too."""
        key = self._keys.refs(url)
        pipe = self._redis.pipeline(transaction=True)
        pipe.hdel(key, "refs")
        pipe.hset(key, mapping={"at": time.time(), "error": self._seal.seal(f"{key}/error", error.encode())})
        pipe.expire(key, self.TTL)
        pipe.execute()

    def note(self, url: str, ref: str, revision: str) -> None:
        """Note what a wanted revision resolved to, for the claim of a due time."""
        self._set(url, f"ref:{ref}", revision)

    def expire(self, url: str) -> None:
        """Make the next fetch look again (a push came, a person asks)."""
        self._set(url, "at", 0)

    def _set(self, url: str, field: str, value: str | int) -> None:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(self._keys.refs(url), field, cast(str, value))
        pipe.expire(self._keys.refs(url), self.TTL, nx=True)
        pipe.execute()

    # --- one look at a time ---

    def lease(self, url: str, owner: str, ttl: float) -> bool:
        """Become the one who looks, for at most `ttl` seconds."""
        return bool(self._redis.set(self._keys.refs_lease(url), owner, nx=True, px=int(ttl * 1000)))

    def wait(self, url: str, app: str, rank: Rank) -> bool:
        """Ask to be told when the one who looks is done. False where nobody looks any more."""
        keys = [self._keys.refs_lease(url), self._keys.waiting(url)]
        return bool(self._redis.eval(_WAIT, len(keys), *keys, f"{int(rank)}|{app}"))

    def free(self, url: str, owner: str) -> dict[Rank, set[str]]:
        """Give the lease back. Returns the applications that waited for it, by how urgent they are."""
        self._redis.eval(_FREE, 1, self._keys.refs_lease(url), owner)
        key = self._keys.waiting(url)
        pipe = self._redis.pipeline(transaction=True)
        pipe.smembers(key)
        pipe.delete(key)
        waited: dict[Rank, set[str]] = {}
        for entry in pipe.execute()[0]:
            rank, app = entry.decode().split("|", 1)
            waited.setdefault(Rank(int(rank)), set()).add(app)
        return waited
