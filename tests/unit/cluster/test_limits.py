"""The write limit adapts to what the API server can take."""

import threading

import pytest

from gitops.cluster import AdaptiveLimiter
from gitops.errors import ClusterError


def fill(limiter: AdaptiveLimiter, latency: float, rounds: int = 1) -> None:
    """As many writes at once as the limit allows, each taking `latency` seconds."""
    for _ in range(rounds):
        places = limiter.limit
        for _ in range(places):
            limiter.acquire()
        for _ in range(places):
            limiter.release(latency, 200)


def test_it_grows_while_writes_are_quick_but_not_beyond_its_bound() -> None:
    limiter = AdaptiveLimiter(start=4, low=2, high=6, window=8)

    fill(limiter, 0.001, rounds=50)

    assert limiter.limit == 6


def test_it_does_not_grow_without_need() -> None:
    limiter = AdaptiveLimiter(start=4, window=8)

    for _ in range(100):
        limiter.acquire()
        limiter.release(0.001, 200)

    assert limiter.limit == 4


def test_it_shrinks_once_for_a_burst_of_429s() -> None:
    limiter = AdaptiveLimiter(start=16, low=4)
    for _ in range(16):
        limiter.acquire()

    for _ in range(16):
        limiter.release(0.01, 429)

    assert limiter.limit == 12


def test_it_shrinks_when_the_slowest_writes_are_slow_but_not_below_its_bound() -> None:
    limiter = AdaptiveLimiter(start=8, low=6, slow=0.0, window=8)

    fill(limiter, 0.5, rounds=20)

    assert limiter.limit == 6


def test_who_finds_no_place_waits_for_one() -> None:
    limiter = AdaptiveLimiter(start=1, low=1)
    limiter.acquire()
    waiting = threading.Thread(target=limiter.acquire)
    waiting.start()
    assert waiting.is_alive()

    limiter.release(0.01, 200)
    waiting.join(10)

    assert limiter.in_flight == 1


def test_who_waits_too_long_is_told() -> None:
    limiter = AdaptiveLimiter(start=1, low=1, wait=0.01)
    limiter.acquire()

    with pytest.raises(ClusterError, match="write limit"):
        limiter.acquire()
