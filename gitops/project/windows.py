"""Sync windows: when a project lets Applications sync (specs section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterError, croniter

from gitops.errors import InvalidSpecError
from gitops.model.application import Application
from gitops.model.project import AppProject, SyncWindow
from gitops.project.globs import matches
from gitops.project.permissions import normalise_server

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a sync may run now, and the window that decided."""

    allowed: bool
    reason: str = ""


def describe(window: SyncWindow) -> str:
    """A window in a few words: `deny window "0 22 * * *" for 1h (UTC)`."""
    text = f'{window.kind} window "{window.schedule}" for {window.duration} ({window.time_zone or "UTC"})'
    return f"{text}: {window.description}" if window.description else text


@lru_cache(maxsize=256)
def _seconds(duration: str) -> float:
    """A Go duration in seconds. Raises ValueError."""
    total, number = 0.0, ""
    for char in duration.strip():
        if char.isdigit() or char == ".":
            number += char
        elif char in _UNITS and number:
            total += float(number) * _UNITS[char]
            number = ""
        else:
            raise ValueError(duration)
    if number or total <= 0:
        raise ValueError(duration)
    return total


def check_window(window: SyncWindow) -> None:
    """Raises InvalidSpecError naming the part of a window that cannot be read."""
    if window.kind not in ("allow", "deny"):
        raise InvalidSpecError(f"sync window kind {window.kind!r} is neither allow nor deny")
    fields = window.schedule.split()
    if len(fields) != 5 or not croniter.is_valid(window.schedule):
        raise InvalidSpecError(f"sync window schedule {window.schedule!r} is not five cron fields")
    try:
        _seconds(window.duration)
    except ValueError:
        raise InvalidSpecError(f"sync window duration {window.duration!r} is not a duration such as 1h30m") from None
    try:
        ZoneInfo(window.time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSpecError(f"sync window timeZone {window.time_zone!r} is not the name of a time zone") from None


def is_active(window: SyncWindow, now: datetime) -> bool:
    """Whether the window is open: it began at most its duration ago. `now` is aware of its zone.

    Raises InvalidSpecError for a window that cannot be read.
    """
    check_window(window)
    here = now.astimezone(ZoneInfo(window.time_zone or "UTC"))
    # Arithmetic between zones goes by UTC: an hour is an hour, also when clocks are set.
    start = (here.astimezone(UTC) - timedelta(seconds=_seconds(window.duration))).astimezone(here.tzinfo)
    try:
        begins: datetime = croniter(window.schedule, start).get_next(datetime)
    except CroniterError:
        return False  # a date that never comes, such as 30 February
    return begins.astimezone(UTC) < now.astimezone(UTC)


def _next_change(window: SyncWindow, now: datetime) -> float | None:
    """Seconds until the window opens or, while it is open, may close; None where neither ever happens."""
    zone = ZoneInfo(window.time_zone or "UTC")
    lasts = timedelta(seconds=_seconds(window.duration))
    moments = []
    # Its next beginning, and the end of the one that began last before now.
    for since, plus in ((now, timedelta()), (now - lasts, lasts)):
        try:
            begins: datetime = croniter(window.schedule, since.astimezone(zone)).get_next(datetime)
        except CroniterError:
            continue
        moments.append((begins.astimezone(UTC) + plus - now).total_seconds())
    return min((seconds for seconds in moments if seconds >= 0), default=None)


def next_change(
    project: AppProject, app: Application, now: datetime, *, server: str = "", cluster: str = ""
) -> float | None:
    """Seconds from `now` until a window about this Application opens or closes; None where none ever does.

    Raises InvalidSpecError for a window that cannot be read.
    """
    server = server or app.spec.destination.server
    cluster = cluster or app.spec.destination.name
    relevant = [window for window in project.spec.sync_windows if applies(window, app, server, cluster)]
    for window in relevant:
        check_window(window)
    changes = [_next_change(window, now.astimezone(UTC)) for window in relevant]
    return min((seconds for seconds in changes if seconds is not None), default=None)


def applies(window: SyncWindow, app: Application, server: str, cluster: str) -> bool:
    """Whether a window is about this Application: one of its lists matches, or with andOperator each that is set."""
    destination = app.spec.destination
    servers = {normalise_server(server)} if server else set()
    found: list[bool] = []
    if window.applications:
        found.append(any(matches(pattern, app.name) for pattern in window.applications))
    if window.namespaces:
        found.append(any(matches(pattern, destination.namespace) for pattern in window.namespaces))
    if window.clusters:
        found.append(
            any(
                (cluster and matches(pattern, cluster)) or any(matches(normalise_server(pattern), s) for s in servers)
                for pattern in window.clusters
            )
        )
    return bool(found) and (all(found) if window.and_operator else any(found))


def window_decision(
    project: AppProject,
    app: Application,
    now: datetime,
    *,
    manual: bool,
    operation_started_at: datetime | None = None,
    server: str = "",
    cluster: str = "",
) -> Decision:
    """Whether an operation on `app` may go on at `now`.

    `manual`: a person asked for it. `operation_started_at`: when it began, for windows with syncOverrun. `server` and
    `cluster` are the destination cluster's URL and name where the caller has resolved them.
    Raises InvalidSpecError for a window that cannot be read: nothing is synced by a rule that nobody understands.
    """
    server = server or app.spec.destination.server
    cluster = cluster or app.spec.destination.name
    relevant = [window for window in project.spec.sync_windows if applies(window, app, server, cluster)]
    decision = _decide(relevant, now, manual)
    if decision.allowed or operation_started_at is None:
        return decision
    blocking = _blocking(relevant, operation_started_at, now)
    if (
        blocking
        and all(window.sync_overrun for window in blocking)
        and _decide(relevant, operation_started_at, manual).allowed
    ):
        return Decision(True, f"began before {describe(blocking[0])} and may overrun it")
    return decision


def _decide(windows: list[SyncWindow], now: datetime, manual: bool) -> Decision:
    active = [window for window in windows if is_active(window, now)]
    denies = [window for window in active if window.kind == "deny"]
    if denies:
        if manual and all(window.manual_sync for window in denies):
            return Decision(True, f"{describe(denies[0])} lets manual syncs through")
        decisive = next((window for window in denies if not window.manual_sync), denies[0])
        return Decision(False, f"blocked by the active {describe(decisive)}")
    allows = [window for window in windows if window.kind == "allow"]
    opened = [window for window in allows if window in active]
    if opened:
        return Decision(True, f"within the {describe(opened[0])}")
    if allows:
        if manual and all(window.manual_sync for window in allows):
            return Decision(True, f"{describe(allows[0])} lets manual syncs through")
        return Decision(False, f"blocked because the {describe(allows[0])} is not open")
    return Decision(True)


def _blocking(windows: list[SyncWindow], then: datetime, now: datetime) -> list[SyncWindow]:
    """The windows whose overrun decides: denies that are open now, or else the allows that were open at the start."""
    denies = [window for window in windows if window.kind == "deny" and is_active(window, now)]
    return denies or [window for window in windows if window.kind == "allow" and is_active(window, then)]
