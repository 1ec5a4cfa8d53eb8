"""One metric's measures, and the cost that a question may have."""

from __future__ import annotations

from meters.aggregation import Floats, Ints, aggregate
from meters.archives import Range, archived
from meters.calendars import UNITS, resample_calendar
from meters.metric_api.aggregates import archive_of
from meters.metric_api.cost import Tally
from meters.metric_api.errors import bad_request, not_found, refusal
from meters.metric_api.finding import Readable
from meters.metric_api.params import Params
from meters.store.points import Points
from meters.timespans import TimespanError, timespan_us

DEFAULT_METHOD = "mean"


#: Times in µs, the granularity in seconds or a calendar's letter, and values.
Measures = tuple[Ints, float | str, Floats]


def measures(metric: Readable, params: Params, tally: Tally) -> list[Measures]:
    """A part a granularity, coarsest first. Raises `ApiError`."""
    wanted = Range(params.time_us("start"), params.time_us("stop"))
    method = params.text("aggregation") or DEFAULT_METHOD
    granularity_us = params.timespan_us("granularity")
    resample = params.text("resample")
    if resample is not None and granularity_us is None:
        raise bad_request("A granularity must be specified to resample")
    parts = []
    for one_us in granularities(metric, method, granularity_us):
        part = _at(metric, one_us, method, wanted, resample)
        tally.add(len(part[2]))
        parts.append(part)
    return parts


def granularities(
    metric: Readable, method: str, wanted_us: int | None, alone: bool = True
) -> list[int]:
    """The granularities to answer at. Raises `ApiError` where the policy has not what is asked.

    Of a metric among others the error is a text always.
    """
    policy = metric.policy
    known = method in policy.aggregation_methods
    if not known and alone:
        raise refusal(
            "Aggregation method does not exist for this metric", status=404,
            detail={"metric": str(metric.uuid), "aggregation_method": method},
        )  # fmt: skip
    asked_us = [wanted_us] if wanted_us is not None else policy.granularities_us
    if not known or asked_us[0] not in policy.granularities_us:
        told_us = wanted_us or policy.definition[0]["granularity"]
        raise not_found(
            f"Aggregation method '{method}' at granularity '{told_us / 1e6}' for metric "
            f"{metric.uuid} does not exist"
        )
    return asked_us


def _at(
    metric: Readable, granularity_us: int, method: str, wanted: Range, resample: str | None
) -> Measures:
    points = archived([archive_of(metric, granularity_us)], granularity_us, method, wanted)
    if resample is None:
        return points.timestamps, granularity_us / 1e6, points.values
    return _resampled(points, method, resample)


def _resampled(points: Points, method: str, span: str) -> Measures:
    """The same method over the aggregates."""
    if span in UNITS:
        found = resample_calendar(points, span, method)
        return found.timestamps, span, found.values
    try:
        span_us = timespan_us(span)
    except TimespanError as error:
        raise bad_request(str(error)) from error
    found = aggregate(points, span_us, method)
    return found.timestamps, span_us / 1e6, found.values
