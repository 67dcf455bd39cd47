"""Sync windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.errors import InvalidSpecError
from gitops.model.application import Application
from gitops.model.project import AppProject, SyncWindow
from gitops.project import next_change, window_decision
from gitops.project.windows import is_active

APP = Application.from_object(
    {"metadata": {"name": "web", "namespace": "argocd"}, "spec": {"destination": {"name": "prod", "namespace": "shop"}}}
)
NOON = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
OPEN, SHUT = "0 12 * * *", "0 3 * * *"


def window(kind, schedule=OPEN, **rest):
    return {"kind": kind, "schedule": schedule, "duration": "1h", "applications": ["*"], **rest}


def decide(*windows, manual=False, now=NOON, started=None):
    project = AppProject.from_object({"metadata": {"name": "p"}, "spec": {"syncWindows": list(windows)}})
    return window_decision(project, APP, now, manual=manual, operation_started_at=started)


@pytest.mark.parametrize(
    ("windows", "manual", "allowed"),
    [
        ([], False, True),
        ([window("deny")], False, False),
        ([window("deny")], True, False),
        ([window("deny", manualSync=True)], True, True),
        ([window("deny", manualSync=True), window("deny")], True, False),
        ([window("deny"), window("allow")], False, False),
        ([window("deny", SHUT)], False, True),
        ([window("allow")], False, True),
        ([window("allow", SHUT)], False, False),
        ([window("allow", SHUT, manualSync=True)], True, True),
        ([window("allow", SHUT), window("allow")], False, True),
        ([window("deny", applications=["api"])], False, True),
        ([window("deny", applications=["api"], namespaces=["sh*"])], False, False),
        ([window("deny", applications=["api"], namespaces=["sh*"], andOperator=True)], False, True),
        ([window("deny", applications=[], clusters=["prod"], andOperator=True)], False, False),
    ],
)
def test_decisions(windows, manual, allowed):
    assert decide(*windows, manual=manual).allowed is allowed


def test_a_refusal_names_the_window():
    reason = decide(window("deny", timeZone="Europe/Oslo", schedule="0 14 * * *", description="freeze")).reason
    assert reason == 'blocked by the active deny window "0 14 * * *" for 1h (Europe/Oslo): freeze'


def test_what_began_before_may_overrun():
    earlier = NOON - timedelta(hours=1)
    assert not decide(window("deny"), started=earlier).allowed
    assert decide(window("deny", syncOverrun=True), started=earlier).allowed
    assert not decide(window("deny", syncOverrun=True), started=NOON - timedelta(minutes=10)).allowed
    assert decide(window("allow", "0 11 * * *", syncOverrun=True), started=earlier).allowed
    assert not decide(window("allow", "0 11 * * *"), started=earlier).allowed


def test_borders_belong_outside():
    one = SyncWindow.model_validate(window("deny"))
    assert not is_active(one, NOON.replace(hour=12, minute=0))
    assert is_active(one, NOON.replace(hour=12, minute=0, second=1))
    assert not is_active(one, NOON.replace(hour=13, minute=0, second=1))


def test_time_zones_follow_the_clock_of_the_place():
    """Nine in New York is 14:00 UTC in winter and 13:00 in summer."""
    one = SyncWindow.model_validate(window("allow", "0 9 * * *", timeZone="America/New_York"))
    assert is_active(one, datetime(2026, 1, 15, 14, 30, tzinfo=UTC))
    assert not is_active(one, datetime(2026, 1, 15, 13, 30, tzinfo=UTC))
    assert is_active(one, datetime(2026, 7, 15, 13, 30, tzinfo=UTC))


def test_a_window_over_the_change_of_clocks_lasts_its_duration():
    """On 29 March 2026 clocks in Oslo go from 2:00 (1:00 UTC) to 3:00: a window from 1:00 for 2h ends at 2:00 UTC."""
    one = SyncWindow.model_validate(window("deny", "0 1 * * *", duration="2h", timeZone="Europe/Oslo"))
    assert is_active(one, datetime(2026, 3, 29, 1, 59, tzinfo=UTC))
    assert not is_active(one, datetime(2026, 3, 29, 2, 1, tzinfo=UTC))


@given(st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)), st.integers(1, 23))
def test_a_daily_window_in_utc_is_open_for_its_hours(moment, hours):
    one = SyncWindow.model_validate(window("deny", "0 0 * * *", duration=f"{hours}h"))
    inside = timedelta(0) < moment - moment.replace(hour=0, minute=0, second=0, microsecond=0) < timedelta(hours=hours)
    at_border = moment.microsecond == moment.second == moment.minute == 0
    assert at_border or is_active(one, moment.replace(tzinfo=UTC)) is inside


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "maybe"},
        {"schedule": "soon"},
        {"schedule": "* * * * * *"},
        {"duration": "long"},
        {"timeZone": "Moon/Sea"},
    ],
)
def test_a_window_that_cannot_be_read_blocks_with_a_sentence(wrong):
    with pytest.raises(InvalidSpecError, match="sync window"):
        decide({**window("allow"), **wrong})


schedules = st.sampled_from(["0 12 * * *", "*/20 * * * *", "30 2 * * 0", "0 0 1 * *", "15 */6 * * 1-5", "0 3 30 2 *"])
zones = st.sampled_from(["", "Europe/Oslo", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu"])


@given(
    schedules,
    st.sampled_from(["10m", "1h", "25h", "90s"]),
    zones,
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.floats(0.001, 0.999),
)
def test_until_the_next_change_nothing_changes(schedule, duration, zone, now, part):
    held = window("deny", schedule, duration=duration, timeZone=zone)
    project = AppProject.from_object({"metadata": {"name": "p"}, "spec": {"syncWindows": [held]}})
    seconds = next_change(project, APP, now)
    before = is_active(SyncWindow.model_validate(held), now + timedelta(microseconds=1))
    if seconds is None:
        seconds = 86_400 * 40
    later = now + timedelta(seconds=seconds * part)
    assert is_active(SyncWindow.model_validate(held), later) == before


def test_a_window_about_others_changes_nothing():
    held = window("deny", applications=["other"])
    project = AppProject.from_object({"metadata": {"name": "p"}, "spec": {"syncWindows": [held]}})
    assert next_change(project, APP, NOON) is None
    assert next_change(AppProject.from_object({"metadata": {"name": "p"}, "spec": {}}), APP, NOON) is None


def test_an_open_window_changes_when_it_closes_and_a_shut_one_when_it_opens():
    project = AppProject.from_object({"metadata": {"name": "p"}, "spec": {"syncWindows": [window("deny")]}})
    assert next_change(project, APP, NOON) == 1800
    assert next_change(project, APP, NOON.replace(hour=11)) == 1800
