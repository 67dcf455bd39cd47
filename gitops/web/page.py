"""The status page: plain HTML from the server, no script, no build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template

from gitops.observe.applications import AppSummary
from gitops.observe.scrub import scrub

#: Rows of one page; a search finds the others.
ROWS = 500
_TEMPLATE = Template((files("gitops.web") / "page.html").read_text("utf-8"))
STYLE = (files("gitops.web") / "page.css").read_text("utf-8")
#: What needs a person comes first.
_URGENCY = {"Degraded": 0, "Missing": 1, "Unknown": 2, "Progressing": 3, "Suspended": 4, "Healthy": 5}


def render(apps: Sequence[AppSummary], queues: Mapping[str, int], search: str, now: float) -> str:
    """The page for the applications whose name, project or error holds `search`; `now` in Unix seconds."""
    wanted = search.casefold()
    found = [
        app
        for app in apps
        if wanted in f"{app.namespace}/{app.name} {app.project} {app.error} {app.sync_status}".casefold()
    ]
    found.sort(key=_urgency)
    shown = found[:ROWS]
    count = f"{len(found)} of {len(apps)} applications" if search else f"{len(apps)} applications"
    if len(shown) < len(found):
        count += f", the first {len(shown)} shown"
    return _TEMPLATE.substitute(
        count=count,
        search=escape(search),
        rows="\n".join(_row(app, now) for app in shown) or '<tr><td colspan="6">No application.</td></tr>',
        queues="\n".join(
            f"<tr><th scope='row'>{escape(name)}</th><td>{depth}</td></tr>" for name, depth in sorted(queues.items())
        ),
        time=datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    )


def _urgency(app: AppSummary) -> tuple[bool, int, bool, str]:
    return not app.error, _URGENCY.get(app.health_status, 2), app.sync_status == "Synced", f"{app.namespace}/{app.name}"


def _row(app: AppSummary, now: float) -> str:
    cells = [
        f"<th scope='row'>{escape(app.namespace)}/{escape(app.name)}<br><small>{escape(app.project)}</small></th>",
        _state(app.sync_status or "Unknown"),
        _state(app.health_status or "Unknown"),
        f"<td><code>{escape(app.revision[:12]) or '&ndash;'}</code></td>",
        f"<td>{_age(now - app.reconciled_at) if app.reconciled_at else 'never'}</td>",
        f"<td class='error'>{escape(scrub(app.error)) or '&ndash;'}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _state(value: str) -> str:
    return f"<td class='state s-{escape(value.lower())}'>{escape(value)}</td>"


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"
