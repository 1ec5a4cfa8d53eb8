"""Resources with samples, the last to be measured first, of however many there are.

Of few series the newest samples are looked up, and put in order. Of more nothing is loaded at once:
the series of the last second's samples come first, then those of the seconds before, in windows
that grow; and what is asked for is mostly found in the first.
"""

from __future__ import annotations

from bisect import bisect_left
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
#: For each resource that is wanted the names of so many series' are asked for at first.
SERIES_EACH = 4
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
    if few is None:
        yield from _walk(_Pool(query, sees_all, at_once, after), at_once, after)
        return
    for one in measured(few, query.bounds):
        if after is None or one.key > after:
            yield one


class _Pool:
    """Resources that were looked up, until all that come before them have been, too."""

    def __init__(self, query: Query, sees_all: bool, at_once: int, after: Key | None) -> None:
        self.query = query
        self.sees_all = sees_all
        self._after = after
        self._lacking = at_once
        self._at_least = 1 + at_once // 8
        self._known: set[str] = set()
        self._waiting: list[Measured] = []

    @property
    def room(self) -> int:
        """How many are looked up together: as many as are asked for still, but no few."""
        return max(self._lacking, self._at_least)

    @property
    def is_of_all(self) -> bool:
        """Else the newest sample of a series need not be the newest one that fits."""
        asked, bounds = self.query.asked, self.query.bounds
        return self.sees_all and not asked.revisions and bounds.stop_us == NEVER_US

    def keys(self, series: Ints, times: Ints) -> Iterator[Key]:
        """Of resources that are not known, of the series that may fit: none comes before its key.

        `times` are those of the series' newest samples.
        """
        asked = self.query.asked
        few = replace(asked, series=asked.series & finding.of_series_ids(series.tolist()))
        names = finding.find_resource_ids(few)
        for pk, at in zip(series.tolist(), times.tolist(), strict=True):
            key = -at, names.get(pk, "")
            is_past = self._after is not None and self.is_of_all and key <= self._after
            if pk in names and key[1] not in self._known and not is_past:
                yield key

    def look_up(self, names: Sequence[str]) -> None:
        if not names:
            return
        self._known.update(names)
        asked = self.query.asked
        few = replace(asked, series=asked.series & of_resources(names))
        self._waiting += measured(finding.find(few, self.sees_all), self.query.bounds)

    def ready(self, floor: Key) -> Iterator[Measured]:
        """In order; none that is looked up later comes before `floor`."""
        self._waiting.sort(key=lambda one: one.key)
        count = bisect_left(self._waiting, floor, key=lambda one: one.key)
        some, self._waiting = self._waiting[:count], self._waiting[count:]
        behind = [one for one in some if self._after is None or one.key > self._after]
        self._lacking -= len(behind)
        yield from behind


def _walk(pool: _Pool, at_once: int, after: Key | None) -> Iterator[Measured]:
    """Of all samples each series is looked at where its newest one is. Those that come before
    `after` have samples behind it, too: in a long time most of them.
    """
    bounds, is_of_all = pool.query.bounds, pool.is_of_all
    end_us = min(bounds.stop_us, to_us(END))
    stop_us = end_us if after is None else min(end_us, 1 - after[0])
    seen = np.empty(0, dtype=np.int64)
    before_is_seen = stop_us == end_us or not is_of_all
    most = max(SAMPLES, SAMPLES_EACH * at_once)
    for low, high, found in windows(bounds.start_us, stop_us, most, (not is_of_all, False)):
        if not before_is_seen and high - low > LONG_US:
            seen = np.append(seen, newest_times(from_us(stop_us), from_us(end_us)).series)
            before_is_seen = True
        new = ~np.isin(found.series, seen)
        series, times = found.series[new], found.times[new]
        order = np.argsort(-times, kind="stable")
        yield from _within(pool, series[order], times[order])
        seen = np.append(seen, series)
        yield from pool.ready(_before(low))
    yield from pool.ready(_before(0))


def _within(pool: _Pool, series: Ints, times: Ints) -> Iterator[Measured]:
    """Of series in the order of their newest samples, some resources at a time; of those of one
    time the first by their ids, so that it does not matter how many were measured together.
    """
    begin, size = 0, SERIES_EACH * pool.room
    waiting: list[Key] = []
    while waiting or begin < len(series):
        # What is not looked at yet may come between those of one time.
        beyond = (-int(times[begin]), "") if begin < len(series) else _before(int(times[-1]))
        usable, room = bisect_left(waiting, beyond), pool.room
        if usable < room and begin < len(series):
            end = begin + size
            waiting = _joined(waiting, pool.keys(series[begin:end], times[begin:end]))
            begin, size = end, 2 * size
            continue
        count = min(usable, room)
        taken, waiting = waiting[:count], waiting[count:]
        pool.look_up([name for _, name in taken])
        yield from pool.ready(waiting[0] if count < usable else beyond)


def _joined(waiting: Sequence[Key], keys: Iterator[Key]) -> list[Key]:
    """In order, each resource once, with the first of its keys."""
    firsts = {name: at for at, name in waiting}
    for at, name in keys:
        firsts.setdefault(name, at)
    return sorted((at, name) for name, at in firsts.items())


def _before(timestamp_us: int) -> Key:
    """Behind all that were measured at this time or later."""
    return 1 - timestamp_us, ""
