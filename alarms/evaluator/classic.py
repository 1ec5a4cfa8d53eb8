"""The classic threshold: statistics of a meter's samples, whosesoever they are (alarms.md 2.6).

Periods begin at the query's lower bound, as the classic statistics have it, and all samples that
the query finds go together. `exclude_outliers` leaves out periods whose number of samples is
further than two standard deviations from the mean of those numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from alarms import rules
from alarms.definition import ClassicThreshold
from alarms.definition.conditions import Condition
from alarms.errors import DefinitionError
from alarms.evaluator.subjects import Found, Series, Subject
from alarms.matching import MISSING, holds
from meters.classic_statistics import statistics
from meters.derived import series as derived
from meters.models import Metric
from meters.store.points import Points
from telemetry_site.clock import to_us

_METADATA = ("metadata.", "resource_metadata.")
_COLUMNS = ("resource__original_id", "resource__project_id", "resource__user_id",
            "resource__source", "resource__metadata", "resource__uuid")  # fmt: skip
_OF_SERIES = ("pk", "resource_id", "type", "resource__revision_start")
#: field of a condition → what of a series it reads, by the place in `_COLUMNS`.
_FIELDS: dict[str, int] = {
    "resource_id": 0, "resource": 0, "project_id": 1, "project": 1, "user_id": 2, "user": 2,
    "source": 3,
}  # fmt: skip


def window(rule: ClassicThreshold, now_us: int, lag_s: int) -> rules.Window:
    """Whole periods back from now: one more than are judged, or twice as many where outliers go."""
    more = rule.evaluation_periods if rule.exclude_outliers else 1
    length = rule.period * (rule.evaluation_periods + more) + lag_s
    return rules.Window(now_us - length * rules.SECOND, now_us)


def find_classic(subjects: Sequence[Subject]) -> list[Found]:
    """The series of each subject: one query for all meters, and one for all that are derived;
    conditions judged one by one.

    Raises `DefinitionError` for a field that no series has.
    """
    wanted = {_rule(one).meter_name for one in subjects}
    rows = Metric.objects.order_by("pk")
    projects = {one.project_id for one in subjects}
    if None not in projects:
        rows = rows.filter(resource__project_id__in=projects)
    known: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    stored = rows.filter(name__in=wanted)
    for name, *row in stored.values_list("name", *_COLUMNS, *_OF_SERIES):
        known[name].append(tuple(row))
    for one, columns in derived.find(wanted, rows, *_COLUMNS, "resource__revision_start"):
        known[one.name].append((*columns[:-1], one.pk, one.resource_id, one.type, columns[-1]))
    return [chosen(one, known[_rule(one).meter_name]) for one in subjects]


def values(rule: ClassicThreshold, points: Points, window: rules.Window) -> Points:
    """The statistic of each period that holds samples, oldest first, as one series."""
    rows = statistics(points, rule.period * rules.SECOND, origin_us=window.start)
    if rule.exclude_outliers:
        usual = _usual(np.array([row["count"] for row in rows], dtype=np.float64))
        rows = [row for row, kept in zip(rows, usual, strict=True) if kept]
    found = [
        (row["period_start"], float(value))
        for row in rows
        if (value := row[rule.statistic]) is not None
    ]
    times = np.array([start for start, _ in found], dtype=np.int64)
    numbers = np.array([value for _, value in found], dtype=np.float64)
    return Points(np.zeros_like(times), times, numbers)


def _usual(counts: rules.Floats) -> Iterable[bool]:
    if not len(counts):
        return []
    distance = np.abs(counts - counts.mean())
    usual: list[bool] = (distance <= 2 * counts.std()).tolist()
    return usual


def chosen(subject: Subject, rows: Sequence[tuple[Any, ...]]) -> Found:
    rule = _rule(subject)
    tests = [_test(condition) for condition in rule.query]
    series = tuple(
        Series(row[-4], row[-3], row[-2] == Metric.Type.CUMULATIVE, to_us(row[-1]))
        for row in rows
        if subject.project_id in (None, row[1]) and all(test(row) for test in tests)
    )
    return Found(series, "" if series else f"meter {rule.meter_name} does not exist")


def _test(condition: Condition) -> Callable[[tuple[Any, ...]], bool]:
    for prefix in _METADATA:
        if condition.field.startswith(prefix):
            path = condition.field.removeprefix(prefix).split(".")
            return lambda row: holds(_within(row[4], path), condition)
    if condition.field not in _FIELDS:
        raise DefinitionError("rule.query", f"names the field {condition.field}, which is unknown")
    place = _FIELDS[condition.field]
    if place == 0:
        return lambda row: (
            holds(row[0], condition) or (condition.op == "eq" and holds(str(row[5]), condition))
        )
    return lambda row: holds(row[place], condition)


def _within(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return MISSING
        value = value[step]
    return value


def _rule(subject: Subject) -> ClassicThreshold:
    assert isinstance(subject.rule, ClassicThreshold)
    return subject.rule
