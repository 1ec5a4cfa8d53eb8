"""What was measured last, where there are too many series to look at all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from meters.metering_api import reading
from meters.metering_api import stretches as finding
from meters.metering_api.conditions import Query
from meters.metering_api.ids import Position
from meters.metering_api.reading import Sample
from meters.metering_api.stretches import of_series_ids
from meters.store.read import END, newest_times
from telemetry_site.clock import from_us, now_us, to_us

#: So many series are looked at together.
FEW = 3_000
SECOND_US = 1_000_000
GROWTH = 8


def windows(start_us: int, stop_us: int) -> Iterator[tuple[int, int]]:
    """[low, high) of time, the last one first, each longer than the one behind it."""
    high, length = stop_us, SECOND_US
    clock_us = now_us()
    while high > start_us:
        # What a clock that runs ahead has sent belongs to the last second.
        low = max(start_us, min(high, clock_us) - length)
        yield low, high
        high, length = low, GROWTH * length


def newest_samples(
    query: Query, sees_all: bool, limit: int, after: Position | None
) -> tuple[list[Sample], bool]:
    """As `reading.newest` of all that is asked for."""
    few = finding.find_few(query.asked, sees_all, FEW)
    if few is not None:
        return reading.newest(few, query.bounds, limit, after)
    found: list[Sample] = []
    stop_us = min(query.bounds.stop_us, to_us(END))
    if after is not None:
        stop_us = min(stop_us, after.timestamp_us + 1)
    for low, high in windows(query.bounds.start_us, stop_us):
        ids = newest_times(from_us(low), from_us(high)).series.tolist()
        asked = replace(query.asked, series=query.asked.series & of_series_ids(ids))
        bounds = replace(query.bounds, start_us=low, stop_us=high)
        stretches = finding.find(asked, sees_all)
        more, is_cut = reading.newest(stretches, bounds, limit - len(found), after)
        found += more
        if is_cut:
            return found, True
    return found, False
