"""What the store packs, keeps and reads: `make bench NAME=store`.

Series as meters are, polled once a minute with timestamps in milliseconds that jitter: percentages
of two decimals, byte counters, states that rarely change. They go through the head as in life (a
slot each half an hour), are packed and merged. Printed: rows packed and merged a second, bytes a
sample with every index, points read a second out of merged chunks, and of one series in the head.
"""

from __future__ import annotations

import statistics
import sys
from datetime import timedelta
from typing import Any

from bench.stage import clocked, servers, write

SERIES = 2_000
DAYS = 3
SLOT_MINUTES = 30
ROUNDS = 7
MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US


def make_metrics() -> None:
    from meters import wire
    from meters.store.write import store_batches
    from pollers.batch import BatchBuilder
    from telemetry_site.clock import now_us

    builder = BatchBuilder("bench")
    for number in range(SERIES):
        one = wire.Resource(f"vm-{number // 10}", "p", "u", "instance", {})
        builder.add(one, f"meter.{number % 10}", 0.0, now_us(), "B")
    store_batches(builder.batches())


def half_hours(ids: Any, first_us: int) -> Any:
    """(series, timestamps, values) in the order of arrival, slot by slot."""
    import numpy as np

    rng = np.random.default_rng(1)
    counters = np.zeros(len(ids))
    states = np.ones(len(ids))
    kind = np.arange(len(ids)) % 3
    offset = rng.integers(0, 50_000, len(ids)) * 1000
    for slot in range(DAYS * 1440 // SLOT_MINUTES):
        at, values = [], []
        for minute in range(slot * SLOT_MINUTES, (slot + 1) * SLOT_MINUTES):
            jitter = rng.integers(0, 40, len(ids)) * 1000
            at.append(first_us + minute * MINUTE_US + offset + jitter)
            counters += rng.integers(0, 5_000_000, len(ids))
            states = np.where(rng.random(len(ids)) < 0.001, 5 - states, states)
            gauges = np.round(rng.normal(50, 8, len(ids)), 2)
            values.append(np.choose(kind, [gauges, counters, states]))
        yield np.tile(ids, SLOT_MINUTES), np.concatenate(at), np.concatenate(values)


def fill(ids: Any, first_us: int) -> dict[str, float]:
    """Through the head into chunks; seconds of packing and merging."""
    from django.db import connection, transaction

    from meters.store import head
    from meters.store.compaction import compact, merge

    packing = merging = 0.0
    rows = 0
    for columns in half_hours(ids, first_us):
        with transaction.atomic(), connection.cursor() as cursor:
            head.copy_rows(cursor, head.enter_head(cursor).slot, head.Rows(*columns))
        head.rotate(at_once=True)
        packing += clocked(compact)
        rows += len(columns[0])
        merging += clocked(lambda: exhaust(merge))
    return {"compaction_rows_per_s": rows / packing, "merge_s": merging, "samples": rows}


def exhaust(job: Any) -> None:
    while job():
        pass


def size() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE meters_chunk")
        cursor.execute(
            "SELECT sum(pg_total_relation_size(table_name)) FROM unnest(ARRAY['meters_chunk', "
            "'meters_metric', 'meters_resource', 'meters_resourcerevision']) AS table_name"
        )
        return int(cursor.fetchone()[0])


def main() -> None:
    with servers():
        import numpy as np
        from django.db import connection

        from meters.aggregation import aggregate
        from meters.models import Metric
        from meters.store.read import read_points
        from telemetry_site.clock import from_us, now_us

        make_metrics()
        ids = np.array(Metric.objects.order_by("pk").values_list("pk", flat=True))
        first_us = (now_us() // DAY_US - DAYS - 1) * DAY_US
        result = fill(ids, first_us)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM FULL meters_chunk")
        result["bytes_per_sample"] = size() / result["samples"]
        some = ids[: min(1000, len(ids))].tolist()
        begin = from_us(first_us + DAY_US)
        day = (begin, begin + timedelta(days=1))
        count = len(read_points(some, *day).values)
        reading, whole = [], []
        for _ in range(ROUNDS):
            reading.append(clocked(lambda: read_points(some, *day)))
            whole.append(clocked(lambda: aggregate(read_points(some, *day), 5 * MINUTE_US, "mean")))
        result["read_points_per_s"] = count / statistics.median(reading)
        result["mean_of_1000_series_day_s"] = statistics.median(whole)
        one = [clocked(lambda: read_points(some[:1], *day)) for _ in range(50)]
        result["one_series_day_ms"] = statistics.median(one) * 1000
    write("store", result)
    if result["bytes_per_sample"] > 3:
        sys.exit("More than 3 bytes a sample.")


if __name__ == "__main__":
    main()
