"""What PromQL rules see in our store: series with labels, evaluated at one instant.

A metric's name is `__name__`; its labels are `resource_id`, `resource_type`, `project`, `user_id`
and whatever text, number or flag the resource's metadata hold at their top. What Prometheus wrote
(`name@label=value,…`) has its own labels, and `job` and `instance` from its resource.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from django.db.models import Q

from alarms import rules
from alarms.definition import PromqlThreshold
from alarms.errors import DefinitionError
from alarms.evaluator.subjects import Found, Series, Subject
from alarms.promql.evaluation import evaluate
from alarms.promql.parsing import PromqlError, parse
from alarms.promql.tree import NAME, Node, selectors
from meters.models import Metric
from meters.store.points import Points
from telemetry_site.clock import to_us

MAX_SERIES = 10_000
_AT = "@"


def find_vectors(subjects: Sequence[Subject]) -> list[Found]:
    """The series of each subject: one query for all names. None is no problem: `absent` is told."""
    nodes = [node_of(one) for one in subjects]
    wanted = {one.name for node in nodes for one in selectors(node)}
    rows = _rows(wanted, {one.project_id for one in subjects})
    known: dict[str, list[tuple[str | None, Series, dict[str, str]]]] = defaultdict(list)
    for project, series, labels in rows:
        known[labels[NAME]].append((project, series, labels))
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


def node_of(subject: Subject) -> Node:
    assert isinstance(subject.rule, PromqlThreshold)
    return _parsed(subject.rule)


def _parsed(rule: PromqlThreshold) -> Node:
    try:
        return parse(rule.query)
    except PromqlError as error:
        raise DefinitionError("rule.query", str(error)) from error


def _rows(
    names: set[str], projects: set[str | None]
) -> list[tuple[str | None, Series, dict[str, str]]]:
    named = [Q(name=name) | Q(name__startswith=name + _AT) for name in sorted(names)]
    found = Metric.objects.filter(reduce(or_, named)).order_by("pk")
    if None not in projects:
        found = found.filter(resource__project_id__in=projects)
    return [
        (row[0], Series(row[1], row[2], row[3] == Metric.Type.CUMULATIVE, to_us(row[4])),
         labels_of(*row[5:], project=row[0]))
        for row in found.values_list(
            "resource__project_id", "pk", "resource_id", "type", "resource__revision_start",
            "name", "resource__original_id", "resource__type", "resource__user_id",
            "resource__metadata",
        )
    ]  # fmt: skip


def chosen(
    subject: Subject,
    node: Node,
    known: dict[str, list[tuple[str | None, Series, dict[str, str]]]],
) -> Found:
    wanted = list(selectors(node))
    found = [
        (series, labels)
        for name in dict.fromkeys(one.name for one in wanted)
        for project, series, labels in known[name]
        if subject.project_id in (None, project) and any(one.matches(labels) for one in wanted)
    ]
    if len(found) > MAX_SERIES:
        text = f"matches {len(found)} series, at most {MAX_SERIES} are looked at"
        raise DefinitionError("rule.query", text)
    return Found(tuple(one for one, _ in found), "", tuple(labels for _, labels in found))


def labels_of(
    name: str, original_id: str, kind: str, user: str | None, metadata: dict[str, Any],
    project: str | None,
) -> dict[str, str]:  # fmt: skip
    """Empty ones are none, as in Prometheus."""
    base, _, written = name.partition(_AT)
    labels = {key: _text(value) for key, value in metadata.items()}
    labels |= {
        "resource_id": original_id, "resource_type": kind, "project": project or "",
        "user_id": user or "",
    }  # fmt: skip
    labels |= _written(written)
    labels[NAME] = base
    return {key: value for key, value in labels.items() if value}


def _written(text: str) -> dict[str, str]:
    """The labels in a metric's name. A piece without = belongs to the value before it."""
    labels: dict[str, str] = {}
    key = ""
    for piece in text.split(",") if text else []:
        name, equals, value = piece.partition("=")
        if equals:
            key, labels[name] = name, value
        elif key:
            labels[key] += f",{piece}"
    return labels


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""
