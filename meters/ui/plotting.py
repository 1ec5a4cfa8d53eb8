"""What a plot shows: which granularity, which curve, where the gaps are. Pure, `now` is given.

One granularity at a time: the points themselves ("raw") while there are few enough of them, else
buckets of the first step of `LADDER` that keeps the plot below `BUCKETS` buckets. A bucketed curve
keeps its minimum and maximum as a band, so that no peak gets lost, and a plot is never empty
because there were too many points.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from meters.aggregation import aggregate, increases, rate_per_second
from meters.store.points import Points
from meters.ui.sparkline import gap_after

SECOND_US = 1_000_000
#: Granularities that "auto" chooses from, in seconds.
LADDER = (1, 5, 10, 30, 60, 300, 900, 3600, 3 * 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400)
RAW = 0
RAW_POINTS = 1_000
BUCKETS = 750
#: A granularity that was asked for may give more buckets than "auto" would, but not any number.
MOST_BUCKETS = 3_000

MARKS = 100
#: Methods whose value isn't of the samples' own kind, or is an edge of the band itself.
WITHOUT_BAND = ("count", "sum", "std", "min", "max")

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """`granularity_s` = buckets of that many seconds; `raw` = leave points as they are if few.

    `note` is a sentence for the reader when the plot isn't what was asked for.
    """

    granularity_s: int
    raw: bool
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """One series, ready to draw. NaN = gap. `low`/`high` are absent for raw points.

    `resets` are the moments (µs) at which a counter began anew.
    """

    timestamps: npt.NDArray[np.int64]
    values: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    resets: list[int] = field(default_factory=list)


def plan(asked: str, span_s: float) -> Plan:
    """`asked`: "auto", "raw" or seconds; `span_s`: the length of the range."""
    fitting = _first_step(span_s / BUCKETS)
    if asked in ("auto", "raw"):
        return Plan(fitting, raw=True)
    seconds = int(asked)
    if span_s / seconds <= MOST_BUCKETS:
        return Plan(seconds, raw=False)
    coarser = _first_step(max(span_s / MOST_BUCKETS, seconds))
    buckets = int(span_s // seconds)
    return Plan(
        coarser,
        raw=False,
        note=f"{seconds} s would be {buckets:,} buckets; shown per {coarser} s with min and max.",
    )


def _first_step(least_s: float) -> int:
    return next((step for step in LADDER if step >= least_s), LADDER[-1])


def reset_times(points: Points) -> list[int]:
    """Where a counter began anew, at most MARKS of them."""
    grown, resets = increases(points)
    moments: list[int] = grown.timestamps[resets][:MARKS].tolist()
    return moments


@dataclass(frozen=True)
class Loaded:
    """The points of one series as far as they had to be kept: raw while few, else buckets."""

    points: Points | None
    buckets: Curve | None
    resets: list[int]


def load(points: Points, how: Plan, method: str, counter: bool | None) -> Loaded:
    """Reduce one series at once, so that a plot holds only one series' raw points in memory.

    `counter`: None = the values themselves, else their rate (True: resets handled).
    """
    resets = reset_times(points) if counter else []
    shown = points if counter is None else rate_per_second(points, counter=counter)
    if how.raw and len(shown.values) <= RAW_POINTS:
        return Loaded(shown, None, resets)
    return Loaded(None, bucketed(shown, how.granularity_s, method), resets)


def curves(loaded: Iterable[Loaded], how: Plan, method: str) -> tuple[int, list[Curve]]:
    """(granularity in seconds or RAW, a curve a series), all of one granularity."""
    parts = list(loaded)
    if all(part.points is not None for part in parts):
        made = [_raw_curve(part) for part in parts]
        return RAW, made
    return how.granularity_s, [_bucket_curve(part, how.granularity_s, method) for part in parts]


def _raw_curve(part: Loaded) -> Curve:
    assert part.points is not None
    return with_gaps(Curve(part.points.timestamps, part.points.values, resets=part.resets))


def _bucket_curve(part: Loaded, granularity_s: int, method: str) -> Curve:
    made = part.buckets
    if made is None:
        assert part.points is not None
        made = bucketed(part.points, granularity_s, method)
    whole = Curve(made.timestamps, made.values, made.low, made.high, part.resets)
    return with_gaps(whole, granularity_s * SECOND_US)


def bucketed(points: Points, granularity_s: int, method: str) -> Curve:
    """One value a bucket and, where the method is a kind of middle, the band around it."""
    width = granularity_s * SECOND_US
    main = aggregate(points, width, method)
    if method in WITHOUT_BAND:
        return Curve(main.timestamps, main.values)
    low, high = aggregate(points, width, "min"), aggregate(points, width, "max")
    # A mean that overflowed has no bucket; minimum and maximum always have one.
    kept = np.searchsorted(low.timestamps, main.timestamps)
    return Curve(main.timestamps, main.values, low.values[kept], high.values[kept])


def with_gaps(curve: Curve, bucket_us: int = 0) -> Curve:
    """A NaN half-way into each gap: missing points are neither zero nor joined by a line."""
    if len(curve.timestamps) < 2:
        return curve
    places = np.flatnonzero(gap_after(curve.timestamps, bucket_us)) + 1
    if not len(places):
        return curve
    before, after = curve.timestamps[places - 1], curve.timestamps[places]
    times = np.insert(curve.timestamps, places, before + (after - before) // 2)
    columns = [
        None if column is None else np.insert(column, places, np.nan)
        for column in (curve.values, curve.low, curve.high)
    ]
    assert columns[0] is not None
    return Curve(times, columns[0], columns[1], columns[2], curve.resets)


def as_json(curve: Curve) -> dict[str, Any]:
    """Seconds since the epoch, null = gap; what the script feeds to uPlot."""
    made: dict[str, Any] = {
        "t": (curve.timestamps / SECOND_US).tolist(),
        "v": nulls(curve.values),
        "resets": [moment / SECOND_US for moment in curve.resets],
    }
    if curve.low is not None and curve.high is not None:
        made |= {"low": nulls(curve.low), "high": nulls(curve.high)}
    return made


def nulls(values: Numbers) -> list[float | None]:
    """JSON knows neither NaN nor infinity."""
    known = values.astype(object)
    known[~np.isfinite(values)] = None
    made: list[float | None] = known.tolist()
    return made


def summary(curve: Curve) -> dict[str, float | None]:
    """What the table below the plot says of a curve."""
    known = curve.values[np.isfinite(curve.values)]
    if not len(known):
        return {"last": None, "min": None, "max": None, "mean": None}
    low = curve.low if curve.low is not None else known
    high = curve.high if curve.high is not None else known
    mean = float(np.sum(known / len(known)))  # divided first: the sum of huge values overflows
    found = (known[-1], np.nanmin(low), np.nanmax(high), mean)
    return dict(zip(("last", "min", "max", "mean"), nulls(np.array(found)), strict=True))


def known(curve: Curve) -> tuple[npt.NDArray[np.int64], Numbers]:
    """(µs, value) of the points that are there: a gap has no row in a table."""
    there = np.isfinite(curve.values)
    return curve.timestamps[there], curve.values[there]
