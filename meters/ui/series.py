"""Metrics with what lists show of them: last value, its age, a sparkline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from meters import ownership
from meters.aggregation import aggregate, rate_per_second
from meters.models import Metric
from meters.ownership import Ownership
from meters.store.points import Points
from meters.store.read import latest_points, read_points
from meters.ui.formats import rate_unit
from meters.ui.sparkline import Sparkline, sparkline
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import to_us

SPARK_SPAN = timedelta(hours=1)
SPARK_BUCKETS = 60


@dataclass(frozen=True)
class Row:
    """One metric in a list; the curve of a counter is its rate."""

    metric: Metric
    moment: datetime | None
    value: float | None
    spark: Sparkline | None

    @property
    def counts(self) -> bool:
        return self.metric.type == Metric.Type.CUMULATIVE

    @property
    def current(self) -> tuple[float | None, str]:
        """(value, unit) that says most: of a counter its rate, of all else the last value."""
        if not self.counts:
            return self.value, self.metric.unit
        return (self.spark.last if self.spark else None), rate_unit(self.metric.unit)


def with_latest(
    principal: Principal, metrics: Sequence[Metric], now: datetime, sparks: bool = True
) -> list[Row]:
    """Each metric with its last point, and the curve of the last hour if `sparks`."""
    owned = ownership.of(principal, metrics)
    latest = owned.restrict_latest(latest_points([metric.pk for metric in metrics]))
    drawn = sparklines(metrics, owned, now) if sparks else {}
    return [_row(metric, latest.get(metric.pk), drawn.get(metric.pk)) for metric in metrics]


def _row(metric: Metric, newest: tuple[datetime, float] | None, spark: Sparkline | None) -> Row:
    moment, value = newest or (None, None)
    return Row(metric, moment, value, spark)


def sparklines(metrics: Sequence[Metric], owned: Ownership, now: datetime) -> dict[int, Sparkline]:
    """{series id: the last hour}; counters as rate. One read, and one time axis for all of them.

    The axis begins where the first of them does, so that the first minutes of a new installation
    fill it instead of hiding at its end.
    """
    stop = now + timedelta(seconds=1)
    series = [metric.pk for metric in metrics]
    points = owned.restrict(read_points(series, now - SPARK_SPAN, stop))
    if not len(points.values):
        return {}
    start_us, stop_us = int(points.timestamps.min()), to_us(stop)
    bucket_us = max((stop_us - start_us) // SPARK_BUCKETS, 1)
    edges = np.searchsorted(points.index, np.arange(len(metrics) + 1))
    drawn = {}
    for place, metric in enumerate(metrics):
        curve = _curve(_slice(points, edges[place], edges[place + 1]), metric.type, bucket_us)
        spark = sparkline(curve.timestamps, curve.values, start_us, stop_us)
        if spark is not None:
            drawn[metric.pk] = spark
    return drawn


def _slice(points: Points, first: int, end: int) -> Points:
    part = slice(first, end)
    return Points(points.index[part], points.timestamps[part], points.values[part])


def _curve(points: Points, type: str, bucket_us: int) -> Points:
    """A mean a bucket, so that a path stays short however often was polled."""
    rated = rate_per_second(points, counter=True) if type == Metric.Type.CUMULATIVE else points
    return aggregate(rated, bucket_us, "mean")
