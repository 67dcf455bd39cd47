"""What a task answers is for people to read in Flower."""

from __future__ import annotations

from gitops.observe import hide
from workers.task import LONGEST_REASON, told


def test_a_reason_is_one_line_without_credentials_and_of_bounded_length():
    assert told("done", "") == "done"
    assert told("done", "Succeeded") == "done: Succeeded"
    assert told("failed", "fetching https://me:hunter22@git.example/a\n  failed") == (
        "failed: fetching https://***@git.example/a failed"
    )
    hide("a-value-of-a-secret")
    assert told("failed", "it said a-value-of-a-secret") == "failed: it said ***"
    assert len(told("failed", "x" * 10_000)) == LONGEST_REASON + len("failed: ")
