"""Timespans: the forms that gnocchi's clients send, and what is none."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.timespans import TimespanError, timespan_us

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (60, 60), (0.5, 0.5), ("60", 60), ("0.5", 0.5), (".5", 0.5), ("1e3", 1000), ("5.", 5),
        ("1s", 1), ("5 min", 300), ("1 minute", 60), ("2 hours", 7200), ("7d", 604_800),
        ("1w", 604_800), ("1h 30m", 5400), ("1h30m", 5400), ("1 day, 2 hours", 93_600),
        ("1:30:00", 5400), ("1:30", 90), ("0:00:00.25", 0.25), (" 300 ", 300), ("1.5 H", 5400),
        (0.000001, 0.000001),
    ],
)  # fmt: skip
def test_timespans_in_every_form(value: object, seconds: float) -> None:
    assert timespan_us(value) == round(seconds * SECOND)


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "abc", "1 month", "1 year", "1h x", "h", "1:2:3:4", "nan", "inf", "1e999", "1e11",
        "-5 min", "٣", "5 min" * 100, None, True, [], {}, float("nan"), float("inf"), 10**400,
    ],
)  # fmt: skip
def test_what_is_no_timespan_is_refused(value: object) -> None:
    with pytest.raises(TimespanError, match=r"^Unable to parse timespan$"):
        timespan_us(value)


@pytest.mark.parametrize("value", [0, -1, "0", "-60", "0s", "0:00", 0.0000004])
def test_timespans_of_nothing_are_refused(value: object) -> None:
    with pytest.raises(TimespanError, match=r"^Timespan must be positive$"):
        timespan_us(value)


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans())
def test_whatever_comes_it_is_a_timespan_or_the_error(value: object) -> None:
    with contextlib.suppress(TimespanError):
        assert timespan_us(value) >= 1
