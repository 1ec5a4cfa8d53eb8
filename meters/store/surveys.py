"""Surveys of the store: counts of rows that cost the same for ten series and for a million.

Of each large table some pages are read, chosen at random all over it, and what lies there is taken
for the whole; a table with fewer pages is read whole and the count is exact. The job takes a
hundredth of one worker's time at the most: the longer a survey lasts, the later is the next.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F
from django.db.models.functions import Now

from meters import metrics
from meters.models import HeadSlot, StoreSurvey
from meters.store.head import table_of
from meters.store.info import MeterUse, Survey
from meters.store.locks import SURVEY_LOCK, alone

CHUNK_PAGES = 2_048
#: Of each slot; a page holds 157 samples.
SLOT_PAGES = 512
MOST_METERS = 20
#: The next survey comes after so long, and after so many times what the last one took.
EVERY = timedelta(seconds=60)
TIMES = 100

_PAGES = "SELECT pg_relation_size(%s) / current_setting('block_size')::int"
#: The first row is of all series, those that were just deleted too.
_BY_METER = """
WITH seen AS (
    SELECT series_id, {columns} FROM {table} TABLESAMPLE SYSTEM (%s) GROUP BY series_id)
SELECT metric.name, sum(rows), sum(samples), sum(unmerged), sum(bytes), min(oldest), max(newest)
FROM seen LEFT JOIN meters_metric AS metric ON metric.id = series_id
GROUP BY GROUPING SETS ((metric.name), ())
HAVING grouping(metric.name) = 1 OR metric.name IS NOT NULL
ORDER BY grouping(metric.name) DESC, 3 DESC, 1 LIMIT %s
"""
_CHUNKS = """count(*) AS rows, sum(count) AS samples,
count(*) FILTER (WHERE NOT merged) AS unmerged,
sum(octet_length(data) + octet_length(tail)) AS bytes, min(start) AS oldest, max(last) AS newest"""
_HEAD = """count(*) AS rows, count(*) AS samples, 0 AS unmerged, 0 AS bytes,
NULL::timestamptz AS oldest, NULL::timestamptz AS newest"""
_SERIES = "SELECT count(*), now() FROM meters_metric"
_SERIES_OF = "SELECT name, count(*) FROM meters_metric WHERE name = ANY(%s) GROUP BY name"


class _Seen(NamedTuple):
    """What was seen of a table, multiplied so that it stands for all of it."""

    exact: bool
    rows: int
    samples: int
    unmerged: int
    oldest: datetime | None
    newest: datetime | None
    samples_of: Counter[str]
    bytes_of: Counter[str]


def survey(whole: bool = False) -> Survey:
    """Survey the store now; `whole`: read every row, however long that takes."""
    filled = HeadSlot.objects.exclude(state=HeadSlot.State.FREE).values_list("number", flat=True)
    with connection.cursor() as cursor:
        slots = [
            _look(cursor, table_of(slot), _HEAD, None if whole else SLOT_PAGES) for slot in filled
        ]
        chunks = _look(cursor, "meters_chunk", _CHUNKS, None if whole else CHUNK_PAGES)
        samples = sum((slot.samples_of for slot in slots), start=Counter(chunks.samples_of))
        top = sorted(samples.items(), key=lambda item: (-item[1], item[0]))[:MOST_METERS]
        cursor.execute(_SERIES)
        (series, now) = cursor.fetchone()
        cursor.execute(_SERIES_OF, [[name for name, _ in top]])
        series_of = dict(cursor.fetchall())
    return Survey(
        taken_at=now,
        exact=all(seen.exact for seen in [chunks, *slots]),
        series=series,
        head_samples=sum(slot.samples for slot in slots),
        chunk_samples=chunks.samples,
        chunks=chunks.rows,
        unmerged=chunks.unmerged,
        oldest=chunks.oldest,
        newest=chunks.newest,
        meters=[
            MeterUse(name, series_of.get(name, 0), count, chunks.bytes_of[name])
            for name, count in top
        ],
    )


def _look(cursor: CursorWrapper, table: str, columns: str, most_pages: int | None) -> _Seen:
    cursor.execute(_PAGES, [table])
    (pages,) = cursor.fetchone()
    exact = most_pages is None or pages <= most_pages
    share = 1.0 if exact else most_pages / pages
    statement = _BY_METER.format(columns=columns, table=table)
    cursor.execute(statement, [100 * share, MOST_METERS * 5 + 1])
    total, *meters = cursor.fetchall()

    def whole(seen: int | None) -> int:
        return round(float(seen or 0) / share)

    _, rows, samples, unmerged, _, oldest, newest = total
    return _Seen(
        exact, whole(rows), whole(samples), whole(unmerged), oldest, newest,
        Counter({name: whole(held) for name, _, held, *_ in meters}),
        Counter({name: whole(size) for name, _, _, _, size, *_ in meters}),
    )  # fmt: skip


def keep_surveyed() -> Survey | None:
    """Take a survey and file it, when one is due and nobody else is at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not alone(cursor, SURVEY_LOCK):
            return None
        last = StoreSurvey.objects.annotate(age=Now() - F("taken_at")).first()
        if last is not None and last.age < max(EVERY, TIMES * last.took):
            return None
        begun = time.monotonic()
        found = survey()
        took = timedelta(seconds=time.monotonic() - begun)
        plain = found._asdict() | {"meters": [one._asdict() for one in found.meters], "took": took}
        StoreSurvey.objects.update_or_create(pk=1, defaults=plain)
        gone = {one["name"] for one in last.meters} if last else set()
    _publish(found, gone - {one.name for one in found.meters})
    return found


def _publish(found: Survey, gone: Collection[str]) -> None:
    """As metrics. `gone` are meters that were among the first before: another process of the role
    may have told of them.
    """
    metrics.STORE_SERIES.set(found.series)
    metrics.STORE_SAMPLES.labels("head").set(found.head_samples)
    metrics.STORE_SAMPLES.labels("chunks").set(found.chunk_samples)
    metrics.STORE_CHUNKS.labels("merged").set(found.chunks - found.unmerged)
    metrics.STORE_CHUNKS.labels("unmerged").set(found.unmerged)
    metrics.STORE_OLDEST.set(found.oldest.timestamp() if found.oldest else 0)
    for one in found.meters:
        metrics.STORE_METER_SAMPLES.labels(one.name).set(one.samples)
    for name in gone:
        metrics.STORE_METER_SAMPLES.labels(name).set(0)
