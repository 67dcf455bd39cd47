"""The generic rule alone over what operators of the ecosystem write into status (ecosystem.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.health import assess
from gitops.model.health import HEALTHY, ORDER

TABLE: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("ecosystem.yaml").read_text())
LINES = [(kind, line) for kind, lines in TABLE.items() for line in lines]


def status_of(facts: str) -> dict[str, Any]:
    """`Type=Status:Reason:message:severity` and `.field: value`, joined with `; `, as the status of an object."""
    status: dict[str, Any] = {}
    conditions = []
    for fact in facts.split("; "):
        if fact.startswith("."):
            status.update(yaml.safe_load(fact[1:]))
            continue
        kind, _, rest = fact.partition("=")
        state, reason, message, severity = (rest.split(":", 3) + [""] * 3)[:4]
        condition = {"type": kind, "status": state, "reason": reason, "message": message, "severity": severity}
        conditions.append({name: value for name, value in condition.items() if value})
    if conditions:
        status["conditions"] = conditions
    return status


def object_of(kind: str, facts: str) -> dict[str, Any]:
    group, _, name = kind.partition("/")
    return {
        "apiVersion": f"{group}/v1",
        "kind": name,
        "metadata": {"name": "sample", "generation": 1},
        "status": status_of(facts),
    }


@pytest.mark.parametrize(("kind", "line"), LINES, ids=[f"{kind}: {line}" for kind, line in LINES])
def test_status_is_read_as_its_api_says(kind: str, line: str) -> None:
    facts, _, word = line.rpartition(" -> ")
    assert word in ORDER
    found = assess(object_of(kind, facts), generic_only=True)
    assert (found.status if found else HEALTHY) == word, found
