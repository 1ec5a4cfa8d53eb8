"""Statistics over buckets of time, of each series or of groups of series, within fixed memory.

A group's value is taken over *all samples* of its series in the bucket (for ``rate:`` methods
over all differences), so a mean is the true mean; with `reaggregation` each series is aggregated
by itself first, and the results of one bucket are then combined (the sum of means, say).

Points are read for a few series and a span of whole buckets at a time. The limits (W4) are
checked before anything is read, and each refusal says how to narrow the query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meters import ownership
from meters.aggregation import RATE_PREFIX, aggregate, between, combine, differences, merge
from meters.api.errors import LimitError
from meters.api.pages import USUAL_INTERVAL_US
from meters.derived.reading import read_points, read_points_after_their_predecessors
from meters.models import Metric
from meters.store.points import Points
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import from_us

MAX_POINTS = 1_000_000
MAX_SERIES = 10_000
MAX_GROUPS = 10_000
MAX_METHODS = 10
#: Raw samples that one query may have to read, by `USUAL_INTERVAL_US` a series …
MAX_RAW = 500_000_000
#: … that one bucket of one group may hold, since its samples must be in memory together …
MAX_RAW_A_BUCKET = 20_000_000
#: … and that one read should hold.
RAW_A_READ = 5_000_000
SERIES_A_READ = 1_000

Micros = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Query:
    """Whole buckets: `start_us` is on a bucket's edge. Times in microseconds."""

    start_us: int
    stop_us: int
    granularity_us: int
    methods: tuple[str, ...]
    reaggregation: str | None = None

    @property
    def buckets(self) -> int:
        return -(-(self.stop_us - self.start_us) // self.granularity_us)

    @property
    def has_rates(self) -> bool:
        return any(method.startswith(RATE_PREFIX) for method in self.methods)


@dataclass(frozen=True)
class Group:
    """Series that are aggregated together. `by` says what they share."""

    by: Mapping[str, str]
    metrics: list[Metric] = field(default_factory=list)

    @property
    def unit(self) -> str | None:
        """None where the series have different ones."""
        units = {metric.unit for metric in self.metrics}
        return units.pop() if len(units) == 1 else None


class Result(NamedTuple):
    """`columns[method][i]` belongs to the bucket that starts at `timestamps[i]`; NaN = none."""

    group: Group
    timestamps: Micros
    columns: dict[str, Floats]


#: groupby key → what of a metric it reads. These two are the resource's description *now*.
DESCRIBED_KEYS = ("project_id", "resource_type")


def group_key(metric: Metric, name: str) -> dict[str, str]:
    """The columns that one groupby key gives."""
    resource = metric.resource
    match name:
        case "metric":
            return {"metric": str(metric.uuid)} | group_key(metric, "resource")
        case "resource":
            return {"resource": str(resource.uuid), "resource_id": resource.original_id}
        case "meter":
            return {"meter": metric.name}
        case "project_id":
            return {"project_id": resource.project_id or ""}
        case "resource_type":
            return {"resource_type": resource.type}
    raise ValueError(name)


GROUP_KEYS = ("metric", "resource", "meter", *DESCRIBED_KEYS)


def make_groups(metrics: Sequence[Metric], names: Sequence[str]) -> list[Group]:
    """The groups in the order of their keys; one group of all without any name."""
    groups: dict[tuple[str, ...], Group] = {}
    for metric in metrics:
        by: dict[str, str] = {}
        for name in names:
            by |= group_key(metric, name)
        groups.setdefault(tuple(by.values()), Group(by)).metrics.append(metric)
    return [groups[key] for key in sorted(groups)]


def check_limits(query: Query, groups: Sequence[Group]) -> None:
    """Raise `LimitError` before a query costs anything."""
    series = sum(len(group.metrics) for group in groups)
    if len(groups) > MAX_GROUPS:
        raise LimitError(
            f"The query makes {len(groups)} groups, at most {MAX_GROUPS} are allowed: "
            "group by less, or filter by meter or resource."
        )
    asked = query.buckets * max(series, 1)
    if asked > MAX_POINTS:
        coarser_s = -(-query.granularity_us * asked // MAX_POINTS) // 1_000_000 + 1
        raise LimitError(
            f"The query asks for {asked} points ({query.buckets} buckets of {series} series), at "
            f"most {MAX_POINTS} are allowed: narrow start and stop, filter more, or take a "
            f"granularity of {coarser_s} s or more."
        )
    _check_raw(query, series, max((len(group.metrics) for group in groups), default=0))


def _check_raw(query: Query, series: int, widest: int) -> None:
    raw = series * (query.stop_us - query.start_us) // USUAL_INTERVAL_US
    if raw > MAX_RAW:
        raise LimitError(
            f"The query may have to read {raw} samples ({series} series, one each 10 s), at most "
            f"{MAX_RAW} are allowed: narrow start and stop, or filter more."
        )
    span_us = min(query.granularity_us, query.stop_us - query.start_us)
    in_bucket = widest * span_us // USUAL_INTERVAL_US
    if in_bucket > MAX_RAW_A_BUCKET:
        raise LimitError(
            f"One bucket of one group may hold {in_bucket} samples, at most {MAX_RAW_A_BUCKET} "
            "are allowed: take a smaller granularity, or group by resource."
        )


def compute(principal: Principal, query: Query, groups: Sequence[Group]) -> Iterator[Result]:
    """The groups' statistics, one group after the other."""
    for pack in _packs(groups):
        tables = _tables(principal, query, pack)
        for place, group in enumerate(pack):
            yield _result(query, group, [_of_series(table, place) for table in tables])


def _packs(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Whole groups, together up to `SERIES_A_READ` series (or one group that has more)."""
    pack: list[Group] = []
    series = 0
    for group in groups:
        if pack and series + len(group.metrics) > SERIES_A_READ:
            yield pack
            pack, series = [], 0
        pack.append(group)
        series += len(group.metrics)
    if pack:
        yield pack


def _tables(principal: Principal, query: Query, pack: Sequence[Group]) -> list[Points]:
    """What each method gives, and last the count; `index` is the place of the group."""
    metrics = [metric for group in pack for metric in group.metrics]
    labels = np.repeat(np.arange(len(pack)), [len(group.metrics) for group in pack])
    methods = [*query.methods, "count"]
    parts: list[list[Points]] = [[] for _ in methods]
    owned = ownership.of(principal, metrics)
    read = read_points_after_their_predecessors if query.has_rates else read_points
    for low, high in _spans(query, len(metrics)):
        points = read([metric.pk for metric in metrics], from_us(low), from_us(high))
        points = owned.restrict(points)
        for method, found in zip(methods, parts, strict=True):
            found.append(_aggregate(query, method, points, labels, (low, high)))
    return [_concatenate(found) for found in parts]


def _spans(query: Query, series: int) -> Iterator[tuple[int, int]]:
    """Spans of whole buckets that hold some `RAW_A_READ` samples each."""
    room_us = RAW_A_READ * USUAL_INTERVAL_US // max(series, 1)
    length = max(room_us // query.granularity_us, 1) * query.granularity_us
    for low in range(query.start_us, query.stop_us, length):
        yield low, min(low + length, query.stop_us)


def _aggregate(
    query: Query, method: str, points: Points, labels: Micros, span: tuple[int, int]
) -> Points:
    """One method in one span. Differences are taken a series, before series are merged."""
    if query.reaggregation and method != "count":
        own = between(aggregate(points, query.granularity_us, method), *span)
        return combine(own, query.reaggregation, labels)
    base = method.removeprefix(RATE_PREFIX)
    points = between(differences(points) if base != method else points, *span)
    return aggregate(merge(points, labels), query.granularity_us, base)


def _concatenate(parts: Sequence[Points]) -> Points:
    """Spans one after the other, sorted by (index, time) again."""
    index = np.concatenate([part.index for part in parts])
    order = np.argsort(index, kind="stable")
    timestamps = np.concatenate([part.timestamps for part in parts])
    values = np.concatenate([part.values for part in parts])
    return Points(index[order], timestamps[order], values[order])


def _of_series(points: Points, place: int) -> Points:
    low, high = np.searchsorted(points.index, [place, place + 1])
    return Points(points.index[low:high], points.timestamps[low:high], points.values[low:high])


def _result(query: Query, group: Group, tables: Sequence[Points]) -> Result:
    """The methods side by side: a bucket that holds samples but no such value is NaN there."""
    timestamps = np.unique(np.concatenate([table.timestamps for table in tables]))
    columns = {}
    for method, table in zip(query.methods, tables, strict=False):
        column = np.full(len(timestamps), np.nan)
        column[np.searchsorted(timestamps, table.timestamps)] = table.values
        columns[method] = column
    return Result(group, timestamps, columns)


def overflows(result: Result) -> list[str]:
    """A note for each method whose value is missing because it is no finite number."""
    notes = []
    for method, column in result.columns.items():
        missing = int(np.isnan(column).sum())
        if missing and method != "std" and not method.startswith(RATE_PREFIX):
            notes.append(f"{method}: {missing} values overflow a float and are null")
    return notes
