"""Samples and statistics as tables, with the same columns whoever exports them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from meters.api import statistics
from meters.columnar import Block, Kind, Labels, Table
from meters.models import Metric
from meters.store.points import Points

SAMPLE_COLUMNS: dict[str, Kind] = {
    "timestamp": "time", "value": "number", "meter": "text", "unit": "text", "type": "text",
    "metric": "text", "resource": "text", "resource_id": "text",
}  # fmt: skip


def samples_table(metrics: Sequence[Metric], blocks: Iterable[Points]) -> Table:
    """`Points.index` is the place in `metrics`, whose resources are loaded already."""
    columns = list(zip(*map(_described, metrics), strict=True))
    return Table(SAMPLE_COLUMNS, _blocks(columns, blocks))


def _described(metric: Metric) -> tuple[str, ...]:
    resource = metric.resource
    return (
        metric.name, metric.unit, metric.type, str(metric.uuid), str(resource.uuid),
        resource.original_id,
    )  # fmt: skip


def _blocks(columns: Sequence[Sequence[str]], blocks: Iterable[Points]) -> Iterator[Block]:
    for points in blocks:
        places = points.index.astype(np.int64)
        labels = [Labels(texts, places) for texts in columns]
        if len(places):
            yield [points.timestamps, points.values, *labels]


def statistics_table(
    query: statistics.Query,
    groups: Sequence[statistics.Group],
    results: Iterable[statistics.Result],
) -> Table:
    keys = list(groups[0].by) if groups else []
    blocks = (_statistics_block(one) for one in results)
    return Table(statistics_columns(keys, query.methods), blocks)


def statistics_columns(keys: Iterable[str], methods: Iterable[str]) -> dict[str, Kind]:
    """`keys` are what a group's `by` has."""
    columns: dict[str, Kind] = {"timestamp": "time"}
    columns |= dict.fromkeys([*keys, "unit"], "text")
    return columns | dict.fromkeys(methods, "number")


def _statistics_block(result: statistics.Result) -> Block:
    rows = len(result.timestamps)
    texts = [*result.group.by.values(), result.group.unit]
    labels = [Labels.same(text, rows) for text in texts]
    return [result.timestamps, *labels, *result.columns.values()]
