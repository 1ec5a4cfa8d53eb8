"""Time constraints: the truth table (alarms.md 7.6, with 11's two rows of ours), and an oracle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.cron import parse_cron
from alarms.definition.constraints import TimeConstraint, parse_constraints
from alarms.errors import DefinitionError
from alarms.opening import is_open

NIGHT = "0 23 * * *"
#: number, now, [(start, duration, zone)], whether it is evaluated. TC21 and TC26 are ours.
TABLE = [
    (1, "2026-01-01T22:59:00", [(NIGHT, 10800, "UTC")], False),
    (2, "2026-01-01T22:59:01", [(NIGHT, 10800, "UTC")], True),
    (3, "2026-01-01T22:59:30", [(NIGHT, 10800, "UTC")], True),
    (4, "2026-01-01T22:58:59", [(NIGHT, 10800, "UTC")], False),
    (5, "2026-01-01T23:00:00", [(NIGHT, 10800, "UTC")], True),
    (6, "2026-01-01T23:00:30", [(NIGHT, 0, "UTC")], False),
    (7, "2026-01-01T23:00:59", [(NIGHT, 0, "UTC")], False),
    (8, "2026-01-01T23:01:00", [(NIGHT, 0, "UTC")], False),
    (9, "2026-01-02T01:59:59", [(NIGHT, 10800, "UTC")], True),
    (10, "2026-01-02T02:00:00", [(NIGHT, 10800, "UTC")], True),
    (11, "2026-01-02T02:00:01", [(NIGHT, 10800, "UTC")], False),
    (12, "2026-01-02T12:00:00", [(NIGHT, 10800, "UTC")], False),
    (13, "2026-01-02T12:00:00", [(NIGHT, 10800, "UTC"), ("0 11 * * *", 7200, "UTC")], True),
    (14, "2026-01-01T22:30:00", [(NIGHT, 10800, "Europe/Ljubljana")], True),
    (15, "2026-07-01T21:30:00", [(NIGHT, 10800, "Europe/Ljubljana")], True),
    (16, "2026-07-01T22:30:00", [(NIGHT, 3600, "Europe/Ljubljana")], False),
    (17, "2026-01-01T04:30:00", [(NIGHT, 3600, "America/New_York")], True),
    (18, "2026-03-29T01:15:00", [("30 2 * * *", 1800, "Europe/Berlin")], True),
    (19, "2026-03-29T01:45:00", [("30 2 * * *", 3600, "Europe/Berlin")], True),
    (20, "2026-03-29T00:45:00", [("30 1 * * *", 3600, "Europe/Berlin")], True),
    (21, "2026-03-29T01:20:00", [("30 1 * * *", 3600, "Europe/Berlin")], True),
    (22, "2026-03-29T01:31:00", [("30 1 * * *", 3600, "Europe/Berlin")], False),
    (23, "2026-10-25T00:40:00", [("30 2 * * *", 1200, "Europe/Berlin")], True),
    (24, "2026-10-25T01:40:00", [("30 2 * * *", 1200, "Europe/Berlin")], True),
    (25, "2026-10-25T01:10:00", [("30 2 * * *", 1200, "Europe/Berlin")], False),
    (26, "2026-10-25T01:10:00", [("30 2 * * *", 3600, "Europe/Berlin")], True),
    (27, "2026-01-03T10:00:00", [("0 9 * * 1-5", 28800, "UTC")], False),
    (28, "2026-01-05T10:00:00", [("0 9 * * 1-5", 28800, "UTC")], True),
    (29, "2026-01-05T17:00:00", [("0 9 * * 1-5", 28800, "UTC")], True),
    (30, "2026-01-05T10:00:00", [("* * * * * 0", 1, "UTC")], True),
    (31, "2026-01-05T10:00:30", [("*/15 * * * *", 60, "UTC")], True),
    (33, "2026-01-05T10:00:30", [("@daily", 86400, "UTC")], True),
    (34, "2026-01-05T10:00:30", [("0 9 1 * 1", 28800, "UTC")], True),
    (35, "2026-01-05T10:00:30", [("0 9 * * mon", 28800, "UTC")], True),
    (36, "2026-01-04T10:00:30", [("0 9 * * 7", 28800, "UTC")], True),
    (37, "2026-01-05T10:00:00", [], True),
]


def made(*given: tuple[str, int, str]) -> list[TimeConstraint]:
    return [
        TimeConstraint(name=str(n), start=start, duration=duration, timezone=zone)
        for n, (start, duration, zone) in enumerate(given)
    ]


@pytest.mark.parametrize("row", TABLE, ids=[f"TC{row[0]}" for row in TABLE])
def test_the_truth_table_of_time_constraints(
    row: tuple[int, str, list[tuple[str, int, str]], bool],
) -> None:
    _, now, constraints, evaluated = row
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert is_open(made(*constraints), moment) is evaluated


def test_a_start_that_never_comes_is_refused_where_aodh_fails_at_each_evaluation() -> None:
    """TC32."""
    with pytest.raises(DefinitionError, match="never comes"):
        parse_constraints([{"name": "n", "start": "0 0 30 2 *", "duration": 60}])


def test_aodhs_rows_hold_beside_a_constraint_that_is_closed() -> None:
    closed = ("0 0 29 feb *", 60, "UTC")
    for _, now, constraints, evaluated in TABLE:
        if constraints:
            moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
            assert is_open(made(closed, *constraints), moment) is evaluated


def plain(one: TimeConstraint, now: datetime) -> bool:
    """Second by second: does one of the seconds around open it?"""
    zone, cron = ZoneInfo(one.timezone), parse_cron(one.start)
    second = now.replace(microsecond=0) - timedelta(seconds=one.duration)
    while second < now + timedelta(seconds=60):
        local = second.astimezone(zone)
        before = (second - timedelta(seconds=1)).astimezone(zone)
        skipped = local.replace(tzinfo=None) - before.replace(tzinfo=None)
        shown = [local.replace(tzinfo=None)]
        if skipped > timedelta(seconds=1):
            steps = range(1, int(skipped.total_seconds()))
            shown += [before.replace(tzinfo=None) + timedelta(seconds=n) for n in steps]
        for wall in shown:
            matches = (
                wall.second in cron.seconds and wall.minute in cron.minutes
                and wall.hour in cron.hours and cron.has_day(wall.date())
            )  # fmt: skip
            starts_in_time = second >= now or second + timedelta(seconds=one.duration) >= now
            if matches and starts_in_time and second < now + timedelta(seconds=60):
                return True
        second += timedelta(seconds=1)
    return False


TURNS = [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(TURNS),
    st.integers(-7200, 10_800),
    st.sampled_from(
        ["30 2 * * *", "0 3 * * *", "59 1 * * *", "*/20 * * * *", "15 1-3 * * sun", "0 2 * * * 30"]
    ),
    st.sampled_from([0, 60, 1200, 3600]),
    st.sampled_from(["Europe/Berlin", "UTC", "Europe/Lisbon"]),
)
def test_around_the_turns_of_the_clock_it_is_as_counted_by_seconds(
    turn: datetime, after_s: int, start: str, duration: int, zone: str
) -> None:
    now = turn + timedelta(seconds=after_s)
    [one] = made((start, duration, zone))
    assert is_open([one], now) is plain(one, now)
