"""What the data points of a metric are here: samples of one meter or of a few.

gauge              a gauge
sum, cumulative    monotonic: a cumulative meter; else a gauge, as its value is a level
sum, delta         a delta meter: each sample is what came since the one before
histograms         NAME.count and NAME.sum, as sums; NAME.min and NAME.max, gauges. No buckets.
summary            NAME.count and NAME.sum, cumulative; a gauge NAME@quantile=… for each quantile
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags

from meters import wire

_DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_NOTHING_RECORDED = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_TYPES: Mapping[int, wire.SampleType] = {_DELTA: "delta", _CUMULATIVE: "cumulative"}
_NO_LABELS: Mapping[str, str] = {}
#: UCUM's unit of a plain number.
ONE = "1"


class RefusedError(Exception):
    """A data point that can't be stored; the text says why."""


class Value(NamedTuple):
    """`suffix` goes behind the metric's name, `labels` beside the point's own attributes."""

    value: float
    type: wire.SampleType
    unit: str
    suffix: str = ""
    labels: Mapping[str, str] = _NO_LABELS


#: What one data point is, as values; raises `RefusedError`.
Reader = Callable[[Any], Iterable[Value]]


def points_of(metric: Any) -> tuple[Iterable[Any], Reader]:
    """The metric's data points and how they are read. Raises `RefusedError`."""
    kind = metric.WhichOneof("data")
    unit = metric.unit
    match kind:
        case "gauge":
            return metric.gauge.data_points, partial(_number, "gauge", unit)
        case "sum":
            return metric.sum.data_points, partial(_number, _type_of_sum(metric.sum), unit)
        case "histogram" | "exponential_histogram":
            data = getattr(metric, kind)
            type_ = _TYPES.get(data.aggregation_temporality)
            return data.data_points, partial(_histogram, type_, unit)
        case "summary":
            return metric.summary.data_points, partial(_summary, unit)
    raise RefusedError("has no data of a kind that is known")


def _type_of_sum(data: Any) -> wire.SampleType | None:
    type_ = _TYPES.get(data.aggregation_temporality)
    return "gauge" if type_ == "cumulative" and not data.is_monotonic else type_


def _number(type_: wire.SampleType | None, unit: str, point: Any) -> Iterator[Value]:
    kind = point.WhichOneof("value")
    if _is_without_value(point):
        return
    if kind is None:
        raise RefusedError("has no value")
    yield Value(float(getattr(point, kind)), _known(type_), unit)


def _histogram(type_: wire.SampleType | None, unit: str, point: Any) -> Iterator[Value]:
    if _is_without_value(point):
        return
    yield Value(float(point.count), _known(type_), ONE, ".count")
    if point.HasField("sum"):
        yield Value(point.sum, _known(type_), unit, ".sum")
    for name in ("min", "max"):
        if point.HasField(name):
            yield Value(getattr(point, name), "gauge", unit, f".{name}")


def _summary(unit: str, point: Any) -> Iterator[Value]:
    if _is_without_value(point):
        return
    yield Value(float(point.count), "cumulative", ONE, ".count")
    yield Value(point.sum, "cumulative", unit, ".sum")
    for one in point.quantile_values:
        # What nobody observed is NaN there.
        if not math.isnan(one.value):
            labels = {"quantile": repr(one.quantile).removesuffix(".0")}  # 0.9999999 is not 1
            yield Value(one.value, "gauge", unit, labels=labels)


def _is_without_value(point: Any) -> bool:
    """It says that its series has ended, or has a gap."""
    return bool(point.flags & _NOTHING_RECORDED)


def _known(type_: wire.SampleType | None) -> wire.SampleType:
    if type_ is None:
        raise RefusedError("is neither delta nor cumulative")
    return type_
