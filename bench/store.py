"""What the store packs, keeps and reads, beside Prometheus and VictoriaMetrics.

`make bench NAME=store`.

Series as meters are, polled once a minute with timestamps in milliseconds that jitter: percentages
of two decimals, byte counters, states that rarely change. They go through the head as in life (a
slot each half an hour), are packed and merged. Printed: rows packed and merged a second, bytes a
sample with every index and with the catalogue, points read a second out of merged chunks.

Then the same series go by remote write, a minute in a request, into Debian's prometheus and
victoria-metrics, one after the other, and their first hours into us, by remote write and by the
collector's way. Each is asked for means of five minutes of single series. In the result the same
figures stand under `ours` and under each of `peers`. `--quick`: fewer series and days.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from bench.ingest import collected as collect
from bench.peers.promlike import prometheus, victoria
from bench.remote import Encoder, Ours, PromLike, ranges, written
from bench.stage import clocked, servers, web, write

SLOT_MINUTES = 30
ROUNDS = 7
MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
#: What of the series goes into us a second time, by remote write and by the collector's way.
OWN_SLOTS = 4
METERS = 10


class Scope(NamedTuple):
    """How much; `questions` of each span."""

    series: int
    days: int
    questions: int


FULL = Scope(2_000, 3, 100)
QUICK = Scope(500, 1, 20)


def labels(scope: Scope) -> list[dict[str, str]]:
    """By the number of the series, as remote write names them."""
    return [
        {"__name__": f"meter_{n % METERS}", "job": "bench", "instance": f"vm-{n // METERS}"}
        for n in range(scope.series)
    ]


def polled(scope: Scope, times_us: Any, values: Any) -> bytes:
    """One poll of all series, as an agent sends it."""
    from meters import wire
    from pollers.batch import BatchBuilder

    builder = BatchBuilder("bench")
    for number, (time_us, value) in enumerate(zip(times_us.tolist(), values.tolist(), strict=True)):
        one = wire.Resource(f"vm-{number // METERS}", "p", "u", "instance", {})
        builder.add(one, f"meter.{number % METERS}", value, time_us, "B")
    (batch,) = builder.batches()
    return wire.encode(batch)


def half_hours(scope: Scope, first_us: int) -> Iterator[tuple[Any, Any]]:
    """(timestamps, values) of shape (minutes, series), slot by slot; the same each time."""
    import numpy as np

    rng = np.random.default_rng(1)
    count = scope.series
    counters = np.zeros(count)
    states = np.ones(count)
    kind = np.arange(count) % 3
    offset = rng.integers(0, 50_000, count) * 1000
    for slot in range(scope.days * 1440 // SLOT_MINUTES):
        at, values = [], []
        for minute in range(slot * SLOT_MINUTES, (slot + 1) * SLOT_MINUTES):
            jitter = rng.integers(0, 40, count) * 1000
            at.append(first_us + minute * MINUTE_US + offset + jitter)
            counters += rng.integers(0, 5_000_000, count)
            states = np.where(rng.random(count) < 0.001, 5 - states, states)
            gauges = np.round(rng.normal(50, 8, count), 2)
            values.append(np.choose(kind, [gauges, counters, states]))
        yield np.array(at), np.array(values)


def make_metrics(scope: Scope, first_us: int) -> Any:
    """The ids of the series by their numbers; each gets its first sample."""
    import numpy as np

    from meters import wire
    from meters.default_policies import make_default_policies
    from meters.models import Metric
    from meters.store.write import store_batches

    make_default_policies()
    at, values = next(half_hours(scope, first_us))
    store_batches([wire.decode_batch(polled(scope, at[0], values[0]))])
    by_name = {
        (int(resource[3:]), int(name[6:])): pk
        for pk, resource, name in Metric.objects.values_list("pk", "resource__original_id", "name")
    }
    return np.array([by_name[divmod(n, METERS)] for n in range(scope.series)])


def fill(scope: Scope, ids: Any, first_us: int) -> dict[str, float]:
    """Through the head into chunks; rows packed and merged a second."""
    import numpy as np
    from django.db import connection, transaction

    from meters.store import head
    from meters.store.compaction import FAN_IN, compact, merge

    packing = merging = 0.0
    rows = 0
    for slot, (at, values) in enumerate(half_hours(scope, first_us), start=1):
        arrived = head.Rows(np.tile(ids, SLOT_MINUTES), at.ravel(), values.ravel())
        with transaction.atomic(), connection.cursor() as cursor:
            head.copy_rows(cursor, head.enter_head(cursor).slot, arrived)
        head.rotate(at_once=True)
        packing += clocked(compact)
        rows += at.size
        if slot % FAN_IN == 0:
            merging += clocked(lambda: exhaust(merge))
    rates = {"compaction_rows_per_s": rows / packing, "merge_rows_per_s": rows / merging}
    return rates | {"samples": rows}


def exhaust(job: Any) -> None:
    while job():
        pass


def sizes(samples: int) -> dict[str, float]:
    """Bytes a sample of each table with its indexes and of what is compressed in the chunks."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM (FULL, ANALYZE) meters_chunk")
        cursor.execute(
            "SELECT table_name, pg_total_relation_size(table_name) FROM unnest(ARRAY["
            "'meters_chunk', 'meters_metric', 'meters_resource', 'meters_resourcerevision']) "
            "AS table_name"
        )
        found = {name.removeprefix("meters_"): size / samples for name, size in cursor.fetchall()}
        cursor.execute(
            "SELECT sum(octet_length(data) + octet_length(tail)), sum(time_bytes) FROM meters_chunk"
        )
        data, times = cursor.fetchone()
    parts = {
        "times_in_chunks": int(times) / samples,
        "values_in_chunks": int(data - times) / samples,
    }
    return found | parts


def in_process(ids: Any, first_us: int) -> dict[str, Any]:
    """Points a second out of chunks, in one process."""
    from meters.aggregation import aggregate
    from meters.store.read import read_points
    from telemetry_site.clock import from_us

    some = ids[: min(1000, len(ids))].tolist()
    begin = from_us(first_us)
    day = (begin, begin + timedelta(days=1))
    count = len(read_points(some, *day).values)
    reading = [clocked(lambda: read_points(some, *day)) for _ in range(ROUNDS)]
    mean = [
        clocked(lambda: aggregate(read_points(some, *day), 5 * MINUTE_US, "mean"))
        for _ in range(ROUNDS)
    ]
    one = [clocked(lambda: read_points(some[:1], *day)) for _ in range(50)]
    return {
        "read_points_per_s": count / statistics.median(reading),
        "read_points_per_s_best": count / min(reading),
        "mean_of_1000_series_day_s": statistics.median(mean),
        "one_series_day_ms": statistics.median(one) * 1000,
    }


def spans(scope: Scope, first_us: int) -> dict[str, tuple[int, int]]:
    """The last hour and day of what was written, and all of it."""
    end = first_us + scope.days * DAY_US
    hour, day = end - 60 * MINUTE_US, end - DAY_US
    return {"range_1h": (hour, end), "range_1d": (day, end), "range_all": (first_us, end)}


def beside(kind: Any, scope: Scope, first_us: int) -> dict[str, Any]:
    """The same figures of a peer."""
    encoder, series = Encoder(labels(scope)), labels(scope)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, kind(Path(folder)) as engine:
        one = PromLike(engine.url, series)
        seconds = [
            one.write(encoder.encode(times, numbers))
            for at, values in half_hours(scope, first_us)
            for times, numbers in zip(at, values, strict=True)
        ]
        size = engine.at_rest()
        found = dict(ranges(one, spans(scope, first_us), scope.series, scope.questions))
    samples = scope.series * len(seconds)
    return {
        "version": engine.version,
        "bytes_per_sample": size / samples,
        "remote_write": written(scope.series, seconds),
        **found,
    }


def ours(scope: Scope, ids: Any, first_us: int) -> dict[str, Any]:
    """The same figures of us: by HTTP, and by the collector."""
    from meters.models import Metric

    uuids = dict(Metric.objects.values_list("pk", "uuid"))
    encoder = Encoder(labels(scope))
    minutes = [
        one
        for (at, values), _ in zip(half_hours(scope, first_us), range(OWN_SLOTS), strict=False)
        for one in zip(at, values, strict=True)
    ]
    with web() as (url, _):
        one = Ours(url, [str(uuids[pk]) for pk in ids.tolist()])
        found = dict(ranges(one, spans(scope, first_us), scope.series, scope.questions))
        one.write(encoder.encode(*minutes[0]))  # makes the metrics, outside the clock
        seconds = [one.write(encoder.encode(*minute)) for minute in minutes]
    return {
        "remote_write": written(scope.series, seconds),
        "collector": collected(scope, minutes),
        **found,
    }


def collected(scope: Scope, minutes: list[Any]) -> dict[str, Any]:
    """As `written`, of the agents' way: one message a transaction."""
    first, *payloads = (polled(scope, *minute) for minute in minutes)
    collect([first], 1)
    seconds = [clocked(lambda one=payload: collect([one], 1)) for payload in payloads]
    return written(scope.series, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    scope = QUICK if parser.parse_args().quick else FULL
    with servers():
        from telemetry_site.clock import now_us

        first_us = (now_us() // DAY_US - scope.days - 1) * DAY_US
        ids = make_metrics(scope, first_us)
        result: dict[str, Any] = fill(scope, ids, first_us)
        result["bytes"] = sizes(result["samples"])
        tables = ("chunk", "metric", "resource", "resourcerevision")
        result["bytes_per_sample"] = sum(result["bytes"][table] for table in tables)
        result |= in_process(ids, first_us)
        result["peers"] = {
            name: beside(kind, scope, first_us)
            for name, kind in (("prometheus", prometheus), ("victoria", victoria))
        }
        result["ours"] = {"bytes_per_sample": result["bytes_per_sample"]}
        result["ours"] |= ours(scope, ids, first_us)
    write("store", result)
    smallest = min(peer["bytes_per_sample"] for peer in result["peers"].values())
    if result["bytes_per_sample"] > min(3, smallest):
        sys.exit("More than 3 bytes a sample, or more than a peer.")


if __name__ == "__main__":
    main()
