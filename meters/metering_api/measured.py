"""Resources with samples, the last to be measured first, of however many there are.

Of few series the newest samples are looked up, and put in order. Of more nothing is loaded at once:
the series of the last second's samples come first, then those of the seconds before, in windows
that grow; and what is asked for is mostly found in the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from meters.metering_api import stretches as finding
from meters.metering_api.conditions import Bounds, Query
from meters.metering_api.ends import End, first_samples, last_samples
from meters.metering_api.lately import FEW, windows
from meters.metering_api.stretches import NEVER_US, Stretch, Stretches, of_resources
from meters.store.moments import newest_times
from meters.store.read import END
from telemetry_site.clock import from_us, to_us

#: Of many series so many samples are looked at together: a resource has some.
SAMPLES, SAMPLES_EACH = 2_048, 16
#: Most series have a sample in so much of time.
LONG_US = 60_000_000

Ints = npt.NDArray[np.int64]
#: What resources are ordered by: the later their newest sample the less.
Key = tuple[int, str]


@dataclass(frozen=True)
class Measured:
    """A resource with the newest sample that fits of each of its series, and their stretches."""

    resource_id: str
    ends: Sequence[End]
    stretches: Sequence[Stretch]

    @cached_property
    def last(self) -> End:
        return max(self.ends, key=lambda end: (end.timestamp_us, end.stretch.series.pk))

    @cached_property
    def key(self) -> Key:
        return -self.last.timestamp_us, self.resource_id


def measured(stretches: Stretches, bounds: Bounds) -> list[Measured]:
    """In order. Several projects may have posted of one resource."""
    ends: dict[str, list[End]] = defaultdict(list)
    for end in last_samples(stretches, bounds).values():
        ends[end.stretch.series.resource_id].append(end)
    parts: dict[str, list[Stretch]] = defaultdict(list)
    for one in stretches.all:
        parts[one.series.resource_id].append(one)
    found = [Measured(name, of, parts[name]) for name, of in ends.items()]
    return sorted(found, key=lambda one: one.key)


def firsts(some: Sequence[Measured], bounds: Bounds) -> dict[str, int]:
    """When (µs) the oldest sample that fits is of each resource, by its id."""
    series = {end.stretch.series.pk for one in some for end in one.ends}
    every = [one for each in some for one in each.stretches if one.series.pk in series]
    every.sort(key=lambda one: (one.series.pk, one.revision.since_us))
    found: dict[str, int] = {}
    for end in first_samples(Stretches(every), bounds).values():
        name = end.stretch.series.resource_id
        found[name] = min(end.timestamp_us, found.get(name, end.timestamp_us))
    return found


def newest_first(
    query: Query, sees_all: bool, at_once: int, after: Key | None = None
) -> Iterator[Measured]:
    """Those behind `after`; some `at_once` of them are looked up together."""
    few = finding.find_few(query.asked, sees_all, FEW)
    if few is not None:
        found: Iterator[Measured] = iter(measured(few, query.bounds))
    else:
        found = _walk(query, sees_all, at_once, after)
    for one in found:
        if after is None or one.key > after:
            yield one


class _Pool:
    """Resources that were looked up, until all that come before them have been, too."""

    def __init__(self, query: Query, sees_all: bool) -> None:
        self.query = query
        self.sees_all = sees_all
        self._known: set[str] = set()
        self._waiting: list[Measured] = []

    def lacking(self, series: Ints) -> dict[int, str]:
        """The resources' ids of those series that may fit and whose resources are not known."""
        asked = self.query.asked
        few = replace(asked, series=asked.series & finding.of_series_ids(series.tolist()))
        found = {one.pk: one.resource_id for one in finding.find_series(few)}
        return {pk: name for pk, name in found.items() if name not in self._known}

    def look_up(self, names: Sequence[str]) -> None:
        if not names:
            return
        self._known.update(names)
        asked = self.query.asked
        few = replace(asked, series=asked.series & of_resources(names))
        self._waiting += measured(finding.find(few, self.sees_all), self.query.bounds)

    def ready(self, floor_us: int) -> Iterator[Measured]:
        """In order; nothing that is looked up later has been measured after `floor_us`."""
        self._waiting.sort(key=lambda one: one.key)
        count = sum(-one.key[0] > floor_us for one in self._waiting)
        some, self._waiting = self._waiting[:count], self._waiting[count:]
        yield from some


def _walk(query: Query, sees_all: bool, at_once: int, after: Key | None) -> Iterator[Measured]:
    """Of all samples each series is looked at where its newest one is. Those that come before
    `after` have samples behind it, too: in a long time most of them.
    """
    end_us = min(query.bounds.stop_us, to_us(END))
    stop_us = end_us if after is None else min(end_us, 1 - after[0])
    seen = np.empty(0, dtype=np.int64)
    # Else the newest sample of a series need not be the newest one that fits.
    is_of_all = sees_all and not query.asked.revisions and query.bounds.stop_us == NEVER_US
    before_is_seen = stop_us == end_us or not is_of_all
    pool = _Pool(query, sees_all)
    most = max(SAMPLES, SAMPLES_EACH * at_once)
    for low, high, found in windows(query.bounds.start_us, stop_us, most, (not is_of_all, False)):
        if not before_is_seen and high - low > LONG_US:
            seen = np.append(seen, newest_times(from_us(stop_us), from_us(end_us)).series)
            before_is_seen = True
        new = ~np.isin(found.series, seen)
        series, times = found.series[new], found.times[new]
        order = np.argsort(-times, kind="stable")
        yield from _within(pool, series[order], times[order], at_once)
        seen = np.append(seen, series)
        yield from pool.ready(low - 1)
    yield from pool.ready(-1)


def _within(pool: _Pool, series: Ints, times: Ints, at_once: int) -> Iterator[Measured]:
    """Of series in the order of their newest samples, a block at a time."""
    begin, size = 0, 8 * at_once
    while begin < len(series):
        names = pool.lacking(series[begin : begin + size])
        wanted: dict[str, None] = {}
        end = begin
        for place, pk in enumerate(series[begin : begin + size].tolist(), start=begin):
            if len(wanted) >= at_once and times[place] != times[place - 1]:
                break
            if pk in names:
                wanted[names[pk]] = None
            end = place + 1
        pool.look_up(list(wanted))
        begin, size = end, size if wanted else 2 * size
        yield from pool.ready(int(times[begin]) if begin < len(times) else int(times[-1]) - 1)
