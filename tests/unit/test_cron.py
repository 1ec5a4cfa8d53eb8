"""Cron expressions of time constraints."""

from __future__ import annotations

from datetime import date

import pytest

from alarms.cron import CronError, parse_cron


@pytest.mark.parametrize(
    ("text", "hours", "minutes"),
    [
        ("0 23 * * *", (23,), (0,)),
        ("*/15 9-11 * * *", (9, 10, 11), (0, 15, 30, 45)),
        ("5/20 22-2/2 * * *", (0, 2, 22), (5, 25, 45)),
        ("0,30 4 * * *", (4,), (0, 30)),
        ("@daily", (0,), (0,)),
    ],
)
def test_hours_and_minutes(text: str, hours: tuple[int, ...], minutes: tuple[int, ...]) -> None:
    cron = parse_cron(text)
    assert (cron.hours, cron.minutes, cron.seconds) == (hours, minutes, (0,))


def test_the_sixth_field_is_seconds_and_the_seventh_years() -> None:
    cron = parse_cron("0 0 * * * 30 2026-2027")
    assert (cron.seconds, cron.years) == ((30,), frozenset({2026, 2027}))
    assert cron.has_day(date(2026, 1, 1))
    assert not cron.has_day(date(2028, 1, 1))


@pytest.mark.parametrize(
    ("text", "day", "comes"),
    [
        ("0 9 * * 1-5", date(2026, 1, 3), False),
        ("0 9 * * mon", date(2026, 1, 5), True),
        ("0 9 * * 7", date(2026, 1, 4), True),
        ("0 9 * * fri-mon", date(2026, 1, 4), True),
        ("0 9 * * fri-mon", date(2026, 1, 6), False),
        ("0 9 1 * 1", date(2026, 1, 5), True),
        ("0 9 1 * 1", date(2026, 1, 1), True),
        ("0 9 1 * 1", date(2026, 1, 6), False),
        ("0 9 L * *", date(2026, 2, 28), True),
        ("0 9 L * *", date(2026, 2, 27), False),
        ("0 9 29 feb *", date(2028, 2, 29), True),
        ("0 9 31 * *", date(2026, 1, 31), True),
        ("0 9 ? jan-mar *", date(2026, 4, 1), False),
    ],
)
def test_days(text: str, day: date, comes: bool) -> None:
    assert parse_cron(text).has_day(day) is comes


@pytest.mark.parametrize(
    "text",
    [
        "", "xx", "* * * *", "* * * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *",
        "* * 32 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "a * * * *", "*-5 * * * *",
        "? * * * *", "1-99 * * * *", "0 0 30 2 *", "0 0 31 apr,jun *", "0 0 * * * 0 1969",
        "9" * 2000, "@reboot", "1,,2 * * * *", "0 0 L-3 * *",
    ],
)  # fmt: skip
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(CronError):
        parse_cron(text)


def test_a_day_that_never_comes_may_stand_beside_a_weekday() -> None:
    """As in cron, one of the two is enough."""
    assert parse_cron("0 0 30 2 1").has_day(date(2026, 2, 2))
