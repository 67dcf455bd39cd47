"""Who may come in, and how often. Everything here is bounded."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Callable


class Gate:
    """Bearer token or basic auth for the read API and the page; with neither configured, nobody enters."""

    def __init__(self, token: str, basic: str) -> None:
        """`basic` is `user:password`; an empty string means that this way is closed."""
        self._token = token
        self._basic = basic

    def admits(self, authorization: str) -> bool:
        """Whether this Authorization header opens; compared in constant time."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer" and self._token:
            return hmac.compare_digest(given.strip().encode(), self._token.encode())
        if scheme.lower() == "basic" and (self._basic or self._token):
            try:
                pair = base64.b64decode(given.strip(), validate=True)
            except (binascii.Error, ValueError):
                return False
            if self._basic and hmac.compare_digest(pair, self._basic.encode()):
                return True
            # A browser can only ask for a name and a password: the token is good as the password.
            return bool(self._token) and hmac.compare_digest(pair.partition(b":")[2], self._token.encode())
        return False


class Bucket:
    """A token bucket: `rate` a second, bursts of `burst`."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at = clock()

    def take(self) -> bool:
        """Whether one more may pass now."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
