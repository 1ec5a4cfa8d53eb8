"""Results in JSON as Prometheus writes them: times in seconds, values as texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from meters.aggregation import Ints
from meters.promql.tables import Labels, Table


def vector(table: Table, instant_us: int) -> list[dict[str, Any]]:
    """Of a table of one instant."""
    at = seconds(instant_us)
    return [
        {"metric": table.labels[row], "value": [at, number(value)]} for row, value in _there(table)
    ]


def scalar(table: Table, instant_us: int) -> list[Any]:
    return [seconds(instant_us), number(float(table.values[0, 0]))]


def matrix(table: Table, instants: Ints) -> list[dict[str, Any]]:
    times = [seconds(moment) for moment in instants.tolist()]
    found = []
    for labels, values, there in zip(table.labels, table.values, table.there, strict=True):
        places = np.flatnonzero(there)
        if len(places):
            numbers = map(number, values[places].tolist())
            rows = [[times[place], one] for place, one in zip(places, numbers, strict=True)]
            found.append({"metric": labels, "values": rows})
    return sorted(found, key=lambda one: sorted(one["metric"].items()))


def _there(table: Table) -> list[tuple[int, float]]:
    rows = np.flatnonzero(table.there[:, 0]).tolist()
    return [(row, float(table.values[row, 0])) for row in rows]


def seconds(moment_us: int) -> float:
    """To the millisecond."""
    return moment_us // 1_000 / 1e3


def number(value: float) -> str:
    """All digits and no exponent, as Go's `FormatFloat(value, 'f', -1, 64)`."""
    if value != value:
        return "NaN"
    if value in (np.inf, -np.inf):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        return np.format_float_positional(value, trim="-")
    return text.removesuffix(".0")


def label_names(found: list[Labels]) -> list[str]:
    return sorted({name for labels in found for name in labels})
