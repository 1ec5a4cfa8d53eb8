"""Under which labels our metrics are found.

A metric's name is `__name__`; its labels are `resource_id`, `resource_type`, `project`, `user_id`
and whatever text, number or flag the resource's metadata hold at their top. What Prometheus wrote
(`name@label=value,…`) has its own labels, and `job` and `instance` from its resource.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from meters.models import Metric
from meters.promql.tables import NAME, Labels
from telemetry_site.clock import to_us

_AT = "@"
_COLUMNS = (
    "pk", "resource_id", "type", "unit", "resource__project_id", "resource__revision_start",
    "name", "resource__original_id", "resource__type", "resource__user_id", "resource__metadata",
)  # fmt: skip
#: Labels that are columns of their own.
_FIELDS = {
    "resource_id": "resource__original_id", "resource_type": "resource__type",
    "project": "resource__project_id", "user_id": "resource__user_id",
}  # fmt: skip


class Labelled(NamedTuple):
    """A metric with its labels; since `since_us` its resource is as it is now."""

    pk: int
    resource_id: int
    type: str
    unit: str
    project_id: str | None
    since_us: int
    labels: Labels


def labelled(metrics: QuerySet[Metric]) -> list[Labelled]:
    """In the order of the rows."""
    return [
        Labelled(
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            to_us(row[5]),
            labels_of(row[6], row[7], row[8], row[9], row[10], project=row[4]),
        )
        for row in metrics.values_list(*_COLUMNS)
    ]


def named(names: Iterable[str]) -> Q:
    """Metrics of one of these names, whatever labels stand in it. At least one name."""
    return reduce(or_, [Q(name=name) | Q(name__startswith=name + _AT) for name in sorted(names)])


def with_labels(wanted: Labels) -> Q:
    """What the database can tell of the labels that are to be equal to a text.

    Of metrics that write such a label themselves: `writing`.
    """
    return Q(**{_FIELDS[name]: value for name, value in wanted.items() if name in _FIELDS})


def writing(wanted: Labels) -> Q | None:
    """Metrics whose names may hold one of those labels, which then counts instead of the column's.

    None where no column is asked for: `with_labels` has left out nothing. A condition of its own,
    since in one with the other no index of either would be of use.
    """
    own = [Q(name__contains=f"{key}={value}") for key, value in wanted.items() if key in _FIELDS]
    return reduce(or_, own) if own else None


def name_of(metric_name: str) -> str:
    """Without the labels that stand in it."""
    return metric_name.partition(_AT)[0]


def labels_of(
    name: str, original_id: str, kind: str, user: str | None, metadata: dict[str, Any],
    project: str | None,
) -> Labels:  # fmt: skip
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


def _written(text: str) -> Labels:
    """The labels in a metric's name. A piece without = belongs to the value before it."""
    labels: Labels = {}
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
