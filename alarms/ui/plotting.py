"""What an alarm's plot shows: the values that are compared, the threshold, the states as bands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from alarms.definition import SeriesRule
from alarms.definition.words import SIGNS
from alarms.evaluator.ranging import over_range
from alarms.evaluator.reading import Buckets
from alarms.evaluator.selection import Found, Subject
from alarms.models import Alarm, AlarmHistory
from alarms.preview import MAX_BUCKETS, Step
from alarms.ui.glance import STATE_ORDER
from meters.models import Metric
from meters.store.points import Points
from meters.ui.formats import duration
from meters.ui.plotquery import RANGES
from meters.ui.plotting import as_json, curves, load, plan, summary
from telemetry_site.clock import to_us

#: A plot is more than a few values: the shortest range that holds so many is taken by itself.
PERIODS_SHOWN = 60
#: Methods whose result is a number of samples, whatever the samples' unit.
COUNTS = ("count", "rate:count")
BANDS = 1_000
#: Values of all series of a group together, before they become one.
MAX_VALUES = 5_000_000


def ranges(rule: SeriesRule, series: int) -> list[str]:
    """The ranges that a rule which finds so many series can be plotted over at once."""
    most = timedelta(seconds=rule.granularity * min(MAX_BUCKETS, MAX_VALUES // max(series, 1)))
    return [name for name, span in RANGES.items() if span <= most] or list(RANGES)[:1]


def usual_range(rule: SeriesRule) -> str:
    wanted = timedelta(seconds=rule.granularity * max(PERIODS_SHOWN, rule.evaluation_periods + 1))
    return next((name for name, span in RANGES.items() if span >= wanted), list(RANGES)[-1])


def alarm_data(
    alarm: Alarm, rule: SeriesRule, found: Found, start: datetime, stop: datetime
) -> dict[str, Any]:
    """The plot of an alarm, its bands from its history."""
    subject = Subject(rule, alarm.seen_project)
    buckets = over_range(subject, found.series, to_us(start), to_us(stop))
    return plot_data(rule, found, buckets, past_states(alarm, start), start, stop)


def plot_data(
    rule: SeriesRule,
    found: Found,
    buckets: Buckets,
    states: Sequence[Step],
    start: datetime,
    stop: datetime,
) -> dict[str, Any]:
    """What the script draws: one series as of `/plot/data`, with `threshold` and `states`."""
    index = np.zeros(len(buckets.timestamps), dtype=np.int64)
    points = Points(index, buckets.timestamps, buckets.values)
    how = plan("auto", (stop - start).total_seconds())
    granularity_s, [curve] = curves([load(points, how, "mean", None)], how, "mean")
    return {
        "start": to_us(start) / 1e6,
        "stop": to_us(stop) / 1e6,
        "granularity": granularity_s,
        "granularity_words": duration(granularity_s) if granularity_s else "",
        "aggregation": "mean",
        "words": f"{rule.aggregation_method} per {duration(rule.granularity)}",
        "note": found.problem,
        "newest": None,
        "series": [{"unit": unit(rule, found), **as_json(curve), **summary(curve)}],
        "threshold": {"value": rule.threshold, "sign": SIGNS[rule.comparison_operator]},
        "states": bands(states, start, stop),
    }


def unit(rule: SeriesRule, found: Found) -> str:
    """The unit of the values that are compared; empty where the series have several."""
    if rule.aggregation_method in COUNTS:
        return ""
    ids = [one.pk for one in found.series[:100]]
    units = set(Metric.objects.filter(pk__in=ids).values_list("unit", flat=True))
    return units.pop() if len(units) == 1 else ""


def bands(steps: Sequence[Step], start: datetime, stop: datetime) -> list[dict[str, Any]]:
    """[{from, to, state}] in seconds, of neighbours with one state a single band."""
    made: list[dict[str, Any]] = []
    for step in steps:
        begin = max(to_us(step.at), to_us(start)) / 1e6
        if made and made[-1]["state"] == step.state:
            continue
        if made:
            made[-1]["to"] = begin
        made.append({"from": begin, "to": to_us(stop) / 1e6, "state": str(step.state)})
    return made


def past_states(alarm: Alarm, start: datetime) -> list[Step]:
    """The states since `start`, the one that held then first."""
    rows = AlarmHistory.objects.filter(alarm_id=alarm.pk, state_version__isnull=False)
    later = list(rows.filter(timestamp__gt=start).order_by("-state_version")[:BANDS])[::-1]
    before = later[0].from_state if later else alarm.state
    began = max(start, alarm.created_at)
    return [Step(began, before), *_steps(later)]


def _steps(rows: Iterable[AlarmHistory]) -> list[Step]:
    return [Step(row.timestamp, row.to_state) for row in rows if row.to_state in STATE_ORDER]
