"""The same call for many items: answers in order, errors beside their items."""

import threading

import pytest

from gitops.cluster import run_parallel
from gitops.errors import ClusterError


def test_outcomes_are_in_order_and_an_error_stays_with_its_item() -> None:
    def half(number: int) -> int:
        if number % 2:
            raise ClusterError(f"{number} is odd")
        return number // 2

    outcomes = run_parallel(half, [0, 1, 2, 3, 4], limit=3)

    assert [outcome.value for outcome in outcomes] == [0, None, 1, None, 2]
    assert [str(outcome.error) for outcome in outcomes if outcome.error] == ["1 is odd", "3 is odd"]


def test_as_many_run_at_once_as_the_limit_says() -> None:
    together = threading.Barrier(4, timeout=10)

    outcomes = run_parallel(lambda _: together.wait(), range(8), limit=4)

    assert all(outcome.error is None for outcome in outcomes)


def test_a_defect_is_raised() -> None:
    def broken(_: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_parallel(broken, [1, 2, 3])


def test_nothing_to_do_is_fine() -> None:
    assert run_parallel(str, []) == []
