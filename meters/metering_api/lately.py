"""What was measured last, where there are too many series to look at all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from meters.metering_api import reading
from meters.metering_api import stretches as finding
from meters.metering_api.conditions import Bounds, Query
from meters.metering_api.ids import Position
from meters.metering_api.reading import Sample
from meters.metering_api.stretches import NEVER_US, Stretches, of_series_ids
from meters.store.moments import Moments, last_times, newest_times
from meters.store.read import END, TooManyPointsError
from telemetry_site.clock import from_us, now_us, to_us

#: So many series are looked at together.
FEW = 3_000
SECOND_US = 1_000_000
GROWTH = 8
#: Of many series so many samples are looked at together: a window holds no more, …
SAMPLES, SAMPLES_EACH = 256, 4
#: … but for what is not found in so many tries.
SMALL_WINDOWS = 24


class Window(NamedTuple):
    """[low, high) of time (µs), and all series that have samples there."""

    low_us: int
    high_us: int
    found: Moments


def windows(
    start_us: int, stop_us: int, most: int, spanning: tuple[bool, bool]
) -> Iterator[Window]:
    """All of the time, the last window first.

    Each is longer than the one behind it, but where there are more than `most` samples it is tried
    with a shorter one, and a gap before those is halved. So what was measured last is found without
    a look at all that is measured, however long ago and however much together that was. `spanning`
    (see `newest_times`) is of the first window and of all others.
    """
    is_spanning, later_ones = spanning
    high, length, growth = stop_us, SECOND_US, GROWTH
    full_from = start_us  # where the last window with too many samples began
    in_gap = False
    clock_us = now_us()
    tries = 0
    while high > start_us:
        tries += 1
        # What a clock that runs ahead has sent belongs to the last second.
        end = min(high, clock_us)
        low = max(start_us, end - length)
        is_small = tries <= SMALL_WINDOWS and end - low > 1
        try:
            limit = most if is_small else None
            found = newest_times(from_us(low), from_us(high), limit, is_spanning)
        except TooManyPointsError:
            full_from, growth = low, 2
            length = (end - low) // (2 if in_gap else GROWTH) or 1
            continue
        yield Window(low, high, found)
        is_spanning = later_ones
        in_gap = start_us < full_from < low and not len(found.series)
        high, length = low, (growth if tries < SMALL_WINDOWS else GROWTH) * length
        if in_gap:  # it ends somewhere in what is left of that window
            length = (high - full_from) // 2 or 1


def newest_samples(
    query: Query, sees_all: bool, limit: int, after: Position | None
) -> tuple[list[Sample], bool]:
    """As `reading.newest` of all that is asked for."""
    if after is None and (last := _measured_last(query, sees_all, limit + 1)):
        return reading.newest(*last, limit)
    few = finding.find_few(query.asked, sees_all, FEW)
    if few is not None:
        return reading.newest(few, query.bounds, limit, after)
    found: list[Sample] = []
    stop_us = min(query.bounds.stop_us, to_us(END))
    if after is not None:
        stop_us = min(stop_us, after.timestamp_us + 1)
    most = max(SAMPLES, SAMPLES_EACH * limit)
    for low, high, series in windows(query.bounds.start_us, stop_us, most, (True, True)):
        some = _of_series(query, series.series.tolist())
        bounds = replace(query.bounds, start_us=low, stop_us=high)
        stretches = finding.find(some.asked, sees_all)
        more, is_cut = reading.newest(stretches, bounds, limit - len(found), after)
        found += more
        if is_cut:
            return found, True
    return found, False


def _measured_last(query: Query, sees_all: bool, count: int) -> tuple[Stretches, Bounds] | None:
    """The series among few, but more than `count`, that hold the `count` newest samples, and since
    when.

    The newest samples of `count` series that fit are so many samples already: no older one is
    among those asked for, and none of a series whose newest one is older. None where the newest
    samples do not fit, behind which a series may have any number of others.
    """
    if query.bounds.stop_us != NEVER_US:
        return None
    ids = finding.find_few_stored(query.asked, FEW)
    if ids is None or len(ids) <= count:
        return None
    times = last_times(ids)
    latest = sorted(times, key=lambda pk: (-times[pk], pk))[:count]
    if len(latest) < count or times[latest[-1]] < query.bounds.start_us:
        return None
    stretches = finding.find(_of_series(query, latest).asked, sees_all)
    if any(stretches.at(pk, times[pk]) is None for pk in latest):
        return None
    return stretches, replace(query.bounds, start_us=times[latest[-1]])


def _of_series(query: Query, ids: Sequence[int]) -> Query:
    """The same of these series alone."""
    series = query.asked.series & of_series_ids(ids)
    return replace(query, asked=replace(query.asked, series=series))
