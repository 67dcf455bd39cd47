"""How Applications look on a terminal: tables for people, JSON and YAML for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gitops.errors import GitOpsError
from gitops.model.objects import Object

_COLOURS = {
    "Synced": "green",
    "Healthy": "green",
    "Succeeded": "green",
    "OutOfSync": "yellow",
    "Progressing": "blue",
    "Running": "blue",
    "Suspended": "magenta",
    "Missing": "yellow",
    "Degraded": "red",
    "Failed": "red",
    "Error": "red",
    "Unknown": "dim",
}
#: As wide as the terminal; a pipe or a file has no width, so nothing is folded there and `grep` finds whole lines.
_NO_TERMINAL = 1000
console = Console(highlight=False, width=None if sys.stdout.isatty() else _NO_TERMINAL)


def word(value: str) -> Text:
    """A status word in its colour."""
    return Text(value, style=_COLOURS.get(value, ""))


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A borderless table, as kubectl's."""
    made = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for header in headers:
        made.add_column(header, overflow="fold", no_wrap=header not in {"MESSAGE", "CONDITIONS"})
    for row in rows:
        made.add_row(*(word(str(cell)) if not isinstance(cell, Text) else cell for cell in row))
    return made


def data(value: Any, output: str) -> bool:
    """Print as JSON or YAML where that was asked for; False otherwise.

    Raises GitOpsError for an output that does not exist.
    """
    if output == "json":
        print(json.dumps(value, indent=2))
    elif output == "yaml":
        print(yaml.safe_dump(value, sort_keys=False), end="")
    elif output in {"", "wide"}:
        return False
    else:
        raise GitOpsError(f"output {output!r} is not known; use json, yaml or wide")
    return True


def short(revision: str) -> str:
    """A commit's first seven digits; other revisions as they are."""
    return revision[:7] if len(revision) == 40 else revision


def row(obj: Object) -> dict[str, str]:
    """What the list shows of an Application."""
    spec, status = obj["spec"], obj.get("status") or {}
    source = spec.get("source") or (spec.get("sources") or [{}])[0]
    destination = spec.get("destination") or {}
    sync = status.get("sync") or {}
    revisions = sync.get("revisions") or [sync.get("revision") or ""]
    return {
        "NAME": f"{obj['metadata']['namespace']}/{obj['metadata']['name']}",
        "CLUSTER": destination.get("name") or destination.get("server") or "",
        "NAMESPACE": destination.get("namespace") or "",
        "PROJECT": spec.get("project") or "default",
        "STATUS": sync.get("status") or "",
        "HEALTH": (status.get("health") or {}).get("status") or "",
        "SYNCPOLICY": policy(obj),
        "REVISION": ",".join(short(r) for r in revisions),
        "CONDITIONS": ",".join(sorted({c["type"] for c in status.get("conditions") or []})),
        "REPO": source.get("repoURL") or "",
        "PATH": source.get("path") or source.get("chart") or "",
        "TARGET": source.get("targetRevision") or "",
    }


def policy(obj: Object) -> str:
    """`Automated (Prune)`, `Automated` or `Manual`."""
    automated = (obj["spec"].get("syncPolicy") or {}).get("automated")
    if automated is None or automated.get("enabled") is False:
        return "Manual"
    return "Automated (Prune)" if automated.get("prune") else "Automated"


def resources(obj: Object) -> Table:
    """The objects of an Application, with the results of its last operation."""
    status = obj.get("status") or {}
    results = ((status.get("operationState") or {}).get("syncResult") or {}).get("resources") or []
    messages = {_id(r): r for r in results}
    rows, seen = [], set()
    for r in [*(status.get("resources") or []), *(r for r in results if r.get("hookType"))]:
        if _id(r) in seen:
            continue
        seen.add(_id(r))
        result = messages.get(_id(r), {})
        health = r.get("health") or {}
        rows.append(
            (
                r.get("group", ""), r.get("kind", ""), r.get("namespace", ""), r.get("name", ""),
                r.get("status", ""), health.get("status", ""), result.get("hookType", ""),
                result.get("message") or health.get("message") or "",
            )
        )  # fmt: skip
    return table(("GROUP", "KIND", "NAMESPACE", "NAME", "STATUS", "HEALTH", "HOOK", "MESSAGE"), rows)


def _id(r: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(r.get(name, "")) for name in ("group", "kind", "namespace", "name"))


def summary(obj: Object) -> None:
    """Print an Application as `gitops app get` shows it."""
    info, status = row(obj), obj.get("status") or {}
    sync = status.get("sync") or {}
    lines = [
        ("Name", info["NAME"]),
        ("Project", info["PROJECT"]),
        ("Server", info["CLUSTER"]),
        ("Namespace", info["NAMESPACE"]),
        ("Source", f"{info['REPO']} {info['PATH']} ({info['TARGET'] or 'HEAD'})"),
        ("Sync Policy", info["SYNCPOLICY"]),
        ("Sync Status", f"{info['STATUS']} to {info['TARGET'] or 'HEAD'} ({info['REVISION']})" if sync else ""),
        ("Health Status", " ".join(filter(None, (info["HEALTH"], (status.get("health") or {}).get("message"))))),
    ]
    for name, value in lines:
        console.print(f"{name + ':':<20}", Text(value), soft_wrap=True)
    for condition in status.get("conditions") or []:
        console.print(
            f"{'Condition:':<20}", Text(f"{condition['type']}: {condition['message']}", "red"), soft_wrap=True
        )


def operation(obj: Object) -> None:
    """Print the last operation."""
    state = (obj.get("status") or {}).get("operationState") or {}
    if not state:
        return
    revision = (state.get("syncResult") or {}).get("revision") or ""
    for name, value in (
        ("Operation", "Sync"),
        ("Sync Revision", revision),
        ("Phase", state.get("phase", "")),
        ("Start", state.get("startedAt", "")),
        ("Finished", state.get("finishedAt", "")),
        ("Message", state.get("message", "")),
    ):
        console.print(f"{name + ':':<20}", word(str(value)), soft_wrap=True)
