"""What PromQL rules see in our store: series with labels, evaluated at one instant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from alarms import rules
from alarms.definition import PromqlThreshold
from alarms.errors import DefinitionError
from alarms.evaluator.subjects import Found, Series, Subject
from meters.aggregation import Ints
from meters.models import Metric
from meters.promql.evaluation import evaluate, evaluate_over
from meters.promql.parsing import parse
from meters.promql.series import Labelled, labelled, named
from meters.promql.tables import NAME, PromqlError
from meters.promql.tree import Node, selectors
from meters.store.points import Points

MAX_SERIES = 10_000
#: Series times instants that are computed together.
CELLS = 2_000_000


def find_vectors(subjects: Sequence[Subject]) -> list[Found]:
    """The series of each subject: one query for all names. None is no problem: `absent` is told."""
    nodes = [node_of(one) for one in subjects]
    wanted = {one.name for node in nodes for one in selectors(node)}
    known = _known(wanted, {one.project_id for one in subjects})
    return [chosen(subject, node, known) for subject, node in zip(subjects, nodes, strict=True)]


def window(rule: PromqlThreshold, now_us: int, lag_s: int) -> rules.Window:
    """As far as any of the expression's selectors reaches back."""
    reach = max(one.reach_us for one in selectors(_parsed(rule)))
    return rules.Window(now_us - reach, now_us)


def values(rule: PromqlThreshold, found: Found, points: Points, now_us: int) -> Points:
    """One point an element, all of now."""
    try:
        vector = evaluate(_parsed(rule), points, found.labels, now_us)
    except PromqlError as error:
        raise DefinitionError("", str(error)) from error
    size = len(vector)
    numbers = np.array([one.value for one in vector], dtype=np.float64)
    return Points(np.zeros(size, np.int64), np.full(size, now_us, np.int64), numbers)


def values_over(
    rule: PromqlThreshold, found: Found, points: Points, instants: Ints
) -> list[list[float]]:
    """The elements at each of the instants."""
    node = _parsed(rule)
    at_once = max(CELLS // max(len(found.series), 1), 1)
    values: list[list[float]] = []
    try:
        for first in range(0, len(instants), at_once):
            part = instants[first : first + at_once]
            table = evaluate_over(node, points, found.labels, part)
            values += [
                table.values[table.there[:, place], place].tolist() for place in range(len(part))
            ]
    except PromqlError as error:
        raise DefinitionError("", str(error)) from error
    return values


def node_of(subject: Subject) -> Node:
    assert isinstance(subject.rule, PromqlThreshold)
    return _parsed(subject.rule)


def _parsed(rule: PromqlThreshold) -> Node:
    try:
        return parse(rule.query)
    except PromqlError as error:
        raise DefinitionError("rule.query", str(error)) from error


def _known(names: set[str], projects: set[str | None]) -> dict[str, list[Labelled]]:
    found = Metric.objects.filter(named(names)).order_by("pk")
    if None not in projects:
        found = found.filter(resource__project_id__in=projects)
    known: dict[str, list[Labelled]] = defaultdict(list)
    for one in labelled(found):
        known[one.labels[NAME]].append(one)
    return known


def chosen(subject: Subject, node: Node, known: Mapping[str, Sequence[Labelled]]) -> Found:
    wanted = list(selectors(node))
    found = [
        one
        for name in dict.fromkeys(selector.name for selector in wanted)
        for one in known.get(name, ())
        if subject.project_id in (None, one.project_id)
        and any(selector.matches(one.labels) for selector in wanted)
    ]
    if len(found) > MAX_SERIES:
        text = f"matches {len(found)} series, at most {MAX_SERIES} are looked at"
        raise DefinitionError("rule.query", text)
    return Found(tuple(map(_series, found)), "", tuple(one.labels for one in found))


def _series(one: Labelled) -> Series:
    is_counter = one.type == Metric.Type.CUMULATIVE
    return Series(one.pk, one.resource_id, is_counter, one.since_us)
