"""Moments of the metric API: what is read, what is refused, what is written."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.metric_api import times
from telemetry_site import clock

NOON = 1_425_652_437_000_000  # 2015-03-06T14:33:57Z
FRACTION = NOON + 123_456
LATEST = times.LATEST_US
MOMENTS = st.integers(0, LATEST)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1425652437, NOON),
        (1425652437.123456, FRACTION),
        ("1425652437.0", NOON),
        ("1.425652437e9", NOON),
        ("2020", 2020_000_000),
        (0, 0),
        ("2015-03-06T14:33:57", NOON),
        ("2015-03-06 14:33:57", NOON),
        ("2015-03-06T14:33:57Z", NOON),
        ("2015-03-06T14:33:57.123456", FRACTION),
        ("2015-03-06T14:33:57.123456999Z", FRACTION),
        ("2015-03-06T16:33:57+02:00", NOON),
        ("2015-03-06T16:33:57+0200", NOON),
        ("2015-03-06T09:03:57-05:30", NOON),
        ("2015-03-06 14:33", NOON - 57_000_000),
        ("2015-03-06", NOON - 52_437_000_000),
        ("2015-03", 1_425_168_000_000_000),
        ("1970-01-01", 0),
        ("2262-04-11T23:47:16.854775", LATEST),
    ],
)
def test_a_moment_is_read(value: Any, expected: int) -> None:
    assert times.to_us(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "NaT", "nan", "inf", "", "zz", "20200101T000000", "2015-02-30", "2015-03-06T14:33:57ZZ",
        "2015-03-06T25:00", "2015-03-06+02:00+02:00", "2015-03-06T14:33:57 Z", "2015-13",
        "2262-04-11T23:47:16.854776", "9999-12-31", "12345-01-01", "1e20", 1e20, 10**400,
        float("nan"), float("inf"), True, None, [], {}, "5 fortnights", "-9999999999999 s",
        "2015-03-06T14:33:57+2:0",
        "2015-03-06T14:33:57+02:00Z", "2015-03-06T14:33:57-02:00+02:00", "2015+03", "2015-03-06T1+",
        "x" * 1000, "2015-03-06" + "0" * 1000,
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused(value: Any) -> None:
    with pytest.raises(times.TimeError, match="Unable to convert timestamps"):
        times.to_us(value)


@pytest.mark.parametrize(
    "value", [-1, "-0.1", "1969-12-31T23:59:59", "1970-01-01T01:00+02:00", "-60 years", "-3000 w"]
)
def test_before_the_epoch_is_nothing(value: Any) -> None:
    with pytest.raises(times.TimeError):
        times.to_us(value)


@pytest.mark.parametrize("value", [-1, "1969-12-31", "-3000 weeks", "-inf"])
def test_a_time_before_the_epoch_is_told_as_such(value: Any) -> None:
    with pytest.raises(times.TimeError, match="Timestamp must be after Epoch"):
        times.to_us(value)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("now", timedelta(0)),
        ("-5 minutes", timedelta(minutes=-5)),
        ("-1 day", timedelta(days=-1)),
        ("-5day", timedelta(days=-5)),
        ("2 hours", timedelta(hours=2)),
        ("+1h", timedelta(hours=1)),
    ],
)
def test_times_relative_to_now(
    monkeypatch: pytest.MonkeyPatch, text: str, offset: timedelta
) -> None:
    now = datetime(2026, 11, 25, 12, 30, 0, 5, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    monkeypatch.setattr(clock, "now_us", lambda: clock.to_us(now))
    assert times.to_us(text) == clock.to_us(now + offset)


def test_today_is_the_last_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2015, 3, 6, 14, 33, tzinfo=UTC))
    assert times.to_us_array(["today", "2015-03-06T00:00"]).tolist() == [NOON - 52_437_000_000] * 2


@pytest.mark.parametrize(
    "values",
    [
        [1478012832, "-5 minutes"],
        ["2015-03-06", 1478012832.5],
        ["2015-03-06", "1478012832.5"],
        ["2015-03-06", "-5 minutes"],
        ["-5 minutes", "2015-03-06"],
        [1478012832, "2015-03-06"],
        [1478012832, True],
        [1478012832, None],
    ],
)
def test_a_list_is_of_one_kind(values: list[Any]) -> None:
    with pytest.raises(times.TimeError):
        times.to_us_array(values)


def test_a_list_may_mix_zones_and_forms_of_numbers() -> None:
    texts = ["2015-03-06T14:33:57", "2015-03-06T14:33:57Z", "2015-03-06T15:33:57+01:00"]
    assert times.to_us_array(texts).tolist() == [NOON] * 3
    assert times.to_us_array([1425652437, 1425652437.0, "1425652437"]).tolist() == [NOON] * 3
    assert times.to_us_array([]).tolist() == []


@given(st.lists(st.sampled_from([NOON, NOON + 1, NOON + 2_000_000]), min_size=1))
def test_the_same_few_moments_again_and_again(moments: list[int]) -> None:
    texts = [times.text_of(clock.from_us(moment)) for moment in moments]
    assert times.to_us_array(texts).tolist() == moments


@given(st.lists(MOMENTS, min_size=1))
def test_what_is_written_can_be_read_and_is_as_python_writes_it(moments: list[int]) -> None:
    texts = times.texts_of(np.array(moments, dtype=np.int64))
    assert texts == [times.text_of(clock.from_us(moment)) for moment in moments]
    assert times.to_us_array(texts).tolist() == moments


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2300, 1, 1)), st.sampled_from(["", "Z", "+00:00"])
)
def test_few_moments_are_read_as_many_are(moment: datetime, zone: str) -> None:
    text = moment.isoformat() + zone
    others = [f"2015-03-06T14:33:{second:02}" for second in range(60)]
    many = answer(lambda one: times.to_us_array([one, *others])[0], text)
    assert answer(times.to_us, text) == many
    assert answer(lambda one: times.to_us_array([others[0], one, one])[2], text) == many


def answer(read: Callable[[str], int], text: str) -> int | str:
    try:
        return int(read(text))
    except times.TimeError as error:
        return str(error)


@given(st.lists(st.floats(0, 9e9), min_size=1))
def test_seconds_are_exact_to_half_a_microsecond(seconds: list[float]) -> None:
    found = times.to_us_array(seconds)
    assert np.abs(found - np.array(seconds) * 1e6).max() <= 1


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans())
def test_anything_is_read_or_refused(value: Any) -> None:
    with contextlib.suppress(times.TimeError):
        assert 0 <= times.to_us(value) <= LATEST


@given(st.from_regex(r"2015-03[-: T.Z+0-9]{0,20}", fullmatch=True))
def test_what_is_nearly_a_time_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(times.TimeError):
        assert 0 <= times.to_us(text) <= LATEST


@pytest.mark.parametrize(
    "text",
    ["2015-03-06T14:33:57.123", "2015-03-06T14:33:57+00:00", "1425652437.5"],
)
def test_a_hundred_thousand_take_no_time(text: str) -> None:
    began = time.perf_counter()
    times.texts_of(times.to_us_array([text] * 100_000))
    assert time.perf_counter() - began < 1
