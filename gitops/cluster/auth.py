"""Who we are to an API server: the Authorization header, kept fresh."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from gitops.cluster.forking import on_fork


class Credentials(NamedTuple):
    """What a source of credentials gave: the header's value ("" for none) and when to ask again (monotonic seconds)."""

    header: str = ""
    until: float = float("inf")


class Auth(Protocol):
    """Gives the Authorization header."""

    def header(self) -> str:
        """The value to send now, "" where the TLS certificate speaks for us. Raises ClusterError if there is none."""

    def refresh(self, refused: str) -> bool:
        """The server said 401 to the header `refused`: get new credentials. False where there are none but these."""


class StaticAuth:
    """A header that never changes."""

    def __init__(self, header: str = "") -> None:
        self._header = header

    def header(self) -> str:
        return self._header

    def refresh(self, refused: str) -> bool:
        return False

    def __repr__(self) -> str:
        return "StaticAuth(...)"


class RenewingAuth:
    """A header from a source that is asked again when it says so, and after a 401."""

    def __init__(self, ask: Callable[[], Credentials]) -> None:
        """`ask` reads a token file, runs a plugin or calls the official loader; it raises ClusterError if it cannot."""
        self._ask = ask
        self._lock = threading.Lock()
        self._now: Credentials | None = None
        on_fork(self)

    def header(self) -> str:
        now = self._now
        if now is None or time.monotonic() >= now.until:
            with self._lock:
                now = self._now
                if now is None or time.monotonic() >= now.until:
                    now = self._now = self._ask()
        return now.header

    def refresh(self, refused: str) -> bool:
        with self._lock:
            if self._now is None or self._now.header == refused:  # else another thread was faster
                self._now = self._ask()
        return self._now.header != refused

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "RenewingAuth(...)"


def bearer(token: str) -> str:
    """The header's value for a bearer token."""
    return f"Bearer {token.strip()}"


def basic(username: str, password: str) -> str:
    """The header's value for basic authentication."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def seconds_until(timestamp: Any) -> float:
    """Seconds to an RFC 3339 timestamp, less five minutes of safety but at least ten seconds; inf if absent."""
    if not timestamp:
        return float("inf")
    at = timestamp if isinstance(timestamp, datetime) else datetime.fromisoformat(str(timestamp).replace("Z", "+00:00"))
    left = at.timestamp() - datetime.now(UTC).timestamp()
    return max(left - 300.0, left / 2, 10.0)
