"""Calendar buckets: example D of the metric API, and every unit against Python's calendar."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.aggregation import AggregationError
from meters.calendars import UNITS, resample_calendar
from meters.store.points import Points

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)


def series(rows: dict[datetime, float]) -> Points:
    times = np.array([microseconds(time) for time in sorted(rows)], dtype=np.int64)
    values = np.array([rows[time] for time in sorted(rows)], dtype=np.float64)
    return Points(np.zeros(len(rows), dtype=np.int64), times, values)


def by_day(points: Points) -> dict[str, float]:
    days = [str((EPOCH + timedelta(microseconds=t)).date()) for t in points.timestamps.tolist()]
    return dict(zip(days, points.values.tolist(), strict=True))


EXAMPLE_D = series(
    {
        datetime.fromisoformat(f"{day}T00:00:00+00:00"): value
        for day, value in [
            ("2015-03-01", 10.0), ("2015-03-06", 12.0), ("2015-04-01", 2.0), ("2015-04-06", 4.0),
            ("2015-10-06", 7.0), ("2016-01-06", 12.0), ("2016-02-06", 4.0),
        ]
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        ("Y", {"2015-01-01": 7.0, "2016-01-01": 8.0}),
        ("H", {"2015-01-01": 7.0, "2015-07-01": 7.0, "2016-01-01": 8.0}),
        ("Q", {"2015-01-01": 11.0, "2015-04-01": 3.0, "2015-10-01": 7.0, "2016-01-01": 8.0}),
        ("M", {"2015-03-01": 11.0, "2015-04-01": 3.0, "2015-10-01": 7.0, "2016-01-01": 12.0,
               "2016-02-01": 4.0}),
        ("W", {"2015-03-01": 11.0, "2015-03-29": 2.0, "2015-04-05": 4.0, "2015-10-04": 7.0,
               "2016-01-03": 12.0, "2016-01-31": 4.0}),
    ],
)  # fmt: skip
def test_example_d_of_the_metric_api(unit: str, wanted: dict[str, float]) -> None:
    assert by_day(resample_calendar(EXAMPLE_D, unit, "mean")) == wanted


def test_a_rate_is_derived_from_the_points_and_stands_in_the_later_ones_bucket() -> None:
    assert by_day(resample_calendar(EXAMPLE_D, "Y", "rate:sum")) == {
        "2015-01-01": 7.0 - 10.0,
        "2016-01-01": 4.0 - 7.0,
    }


def test_other_letters_and_methods_are_refused() -> None:
    with pytest.raises(AggregationError, match="'D' is not one of Y, H, Q, M, W"):
        resample_calendar(EXAMPLE_D, "D", "mean")
    with pytest.raises(AggregationError, match="'avg' is not an aggregation method"):
        resample_calendar(EXAMPLE_D, "Y", "avg")


def start_of(time: datetime, unit: str) -> datetime:
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "W":
        return midnight - timedelta(days=time.isoweekday() % 7)
    months = {"Y": 12, "H": 6, "Q": 3, "M": 1}[unit]
    return midnight.replace(month=(time.month - 1) // months * months + 1, day=1)


TIMES = st.datetimes(datetime(1960, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(st.dictionaries(TIMES, st.floats(-1e9, 1e9), max_size=20), st.sampled_from(UNITS))
def test_buckets_are_those_of_the_calendar(rows: dict[datetime, float], unit: str) -> None:
    wanted: dict[int, list[float]] = defaultdict(list)
    for time in sorted(rows):
        wanted[microseconds(start_of(time, unit))].append(rows[time])
    got = resample_calendar(series(rows), unit, "last")
    assert dict(zip(got.timestamps.tolist(), got.values.tolist(), strict=True)) == {
        start: values[-1] for start, values in wanted.items()
    }
