"""bench/results.json, and the table that people read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.peers import PEERS, TITLE

RESULTS = Path(__file__).with_name("results.json")

#: (key, figure, what it is called, the bound that is aimed at)
ROWS = (
    ("initial_sync", "seconds", "initial sync, s", ""),
    ("initial_sync", "ratio_to_raw_client", "initial sync, ratio to a bare client", "1.5"),
    ("initial_sync", "cpu_s", "initial sync, CPU s of beat and workers", "30"),
    ("no_change", "cpu_ms_per_app", "nothing changed, CPU ms per application", "1"),
    ("no_change", "api_requests_per_app", "nothing changed, API requests per application", "0"),
    ("no_change.many", "apps", "  a larger fleet, applications", ""),
    ("no_change.many", "cpu_ms_per_app", "  CPU ms per application", "1"),
    ("no_change.many", "api_requests_per_app", "  API requests per application", "0"),
    ("no_change.many", "pss_mib", "  peak PSS, MiB", ""),
    ("commit_to_cluster", "p50_ms", "commit to one application, p50 ms", "150"),
    ("commit_to_cluster", "p95_ms", "commit to one application, p95 ms", "500"),
    ("commit_to_all", "seconds", "commit to all, s", ""),
    ("commit_to_all", "ratio_to_raw_client", "commit to all, ratio to a bare client", "1.5"),
    ("drift_to_heal", "p50_ms", "drift to healed, p50 ms", "60"),
    ("drift_to_heal", "p95_ms", "drift to healed, p95 ms", "250"),
    ("drift_to_heal.deleted", "p50_ms", "  deleted, p50 ms", ""),
    ("drift_to_heal.deleted", "p95_ms", "  deleted, p95 ms", ""),
    ("drift_to_heal.edited", "p50_ms", "  edited, p50 ms", ""),
    ("drift_to_heal.edited", "p95_ms", "  edited, p95 ms", ""),
    ("memory", "pss_mib", "peak PSS of beat and 2 workers, MiB", "350"),
    ("workers.1", "seconds", "initial sync with 1 worker, s", ""),
    ("workers.2", "seconds", "initial sync with 2 workers, s", ""),
    ("workers.4", "seconds", "initial sync with 4 workers, s", ""),
)


def save(apps: int, head: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """Write results.json; figures of the same fleet size that were not measured this time stay. Returns it all."""
    kept: dict[str, Any] = {}
    if RESULTS.exists():
        kept = json.loads(RESULTS.read_text())
        if kept.get("apps") != apps:
            kept = {}
    whole = {**kept, "apps": apps, **head, **figures}
    RESULTS.write_text(json.dumps(whole, indent=2) + "\n")
    return whole


def show(whole: dict[str, Any], console: Console) -> None:
    """Print what there are figures of."""
    machine = whole["machine"]
    table = Table(
        title=f"{whole['apps']} applications, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['cpu']}",
        caption=TITLE,
    )
    table.add_column("figure")
    for name in ("here", "aim", "Argo CD", "Flux"):
        table.add_column(name, justify="right")
    for key, figure, label, aim in ROWS:
        value = _find(whole, key, figure)
        if value is not None:
            table.add_row(label, f"{value:,}", aim and f"≤ {aim}", *PEERS.get((key, figure), ("", "")))
    console.print(table)


def _find(whole: dict[str, Any], key: str, figure: str) -> Any:
    found: Any = whole
    for part in [*key.split("."), figure]:
        found = found.get(part) if isinstance(found, dict) else None
    return found
