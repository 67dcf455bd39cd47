"""glibc's allocator keeps an arena for each thread and gives little back; a worker's threads are short and many."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_ARENA_MAX = -1, -8


def bound() -> None:
    """Two arenas, and freed memory above 128 KiB goes back: a child that worked is a third smaller. No-op elsewhere."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_ARENA_MAX, 2)
    mallopt(_M_TRIM_THRESHOLD, 128 * 1024)
