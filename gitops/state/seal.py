"""What rests in Redis is sealed: whoever can write to Redis can neither read a manifest nor slip one in."""

from __future__ import annotations

import hashlib
import os
import zlib
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gitops.errors import GitOpsError

_NONCE = 12
#: Nothing that the engine stores unpacks to more than this; a larger value is refused, not expanded.
MAX_BYTES = 256 * 1024 * 1024


@lru_cache(maxsize=4)
def _derived(secret: str) -> bytes:
    """The key, derived once: a worker's children inherit it, and need not each spend 60 ms on it."""
    return hashlib.scrypt(secret.encode(), salt=b"gitops-seal", n=2**14, r=8, p=1, dklen=32)


class Seal:
    """Compression and authenticated encryption (AES-256-GCM), bound to the place where the value rests.

    A value moved to another key does not open there. What does not open is treated as absent: it is rebuilt.
    """

    def __init__(self, secret: str) -> None:
        if not secret:
            raise GitOpsError("GITOPS_SEAL_KEY is not set: give beat and workers the same long random value")
        self._cipher = AESGCM(_derived(secret))

    def seal(self, place: str, data: bytes) -> bytes:
        """Compress and encrypt `data` for the key `place`."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, zlib.compress(data, 1), place.encode())

    def open(self, place: str, sealed: bytes | None) -> bytes | None:
        """The data sealed for `place`; None where absent, forged, moved or sealed with another key."""
        if not sealed or len(sealed) <= _NONCE:
            return None
        try:
            packed = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
        except InvalidTag:
            return None
        inflate = zlib.decompressobj()
        data = inflate.decompress(packed, MAX_BYTES)
        return None if inflate.unconsumed_tail else data
