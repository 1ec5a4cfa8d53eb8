"""Measures that have been read and are allowed, on their way into the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from django.db import transaction

from meters.metric_api.measures import Columns
from meters.models import Metric, Resource
from meters.store.head import Rows
from meters.store.write import store_rows
from telemetry_site.clock import from_us


class Post(NamedTuple):
    """New measures of one metric, in the order in which they were sent."""

    metric: Metric
    columns: Columns


@transaction.atomic
def store(posts: Sequence[Post]) -> None:
    """All or nothing; visible and safe once the transaction is committed."""
    filled = [post for post in posts if len(post.columns.values)]
    if not filled:
        return
    lengths = [len(post.columns.values) for post in filled]
    store_rows(
        Rows(
            np.repeat(np.array([post.metric.pk for post in filled], dtype=np.int64), lengths),
            np.concatenate([post.columns.timestamps for post in filled]),
            np.concatenate([post.columns.values for post in filled]),
        )
    )
    _reopen(filled)


def _reopen(posts: Sequence[Post]) -> None:
    """A resource that is measured again after its end has not ended (metric-api.md 13.5)."""
    newest: dict[int, datetime] = {}
    for metric, columns in posts:
        if metric.resource.ended_at is not None:
            moment = from_us(int(columns.timestamps.max()))
            newest[metric.resource_id] = max(moment, newest.get(metric.resource_id, moment))
    for pk, moment in newest.items():
        Resource.objects.filter(pk=pk, ended_at__lte=moment).update(ended_at=None)
