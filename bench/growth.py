"""What grows with the number of series: `make bench NAME=growth`, `OPTIONS=--quick` for small ones.

10 000, then 100 000, then 1 000 000 series, ten of a resource, go in by the agents' way into a
collector with a process of its own. At each size: the first sight of the new series, one more poll
of all, and one after the catalogue's epoch was raised (a resource changed somewhere), when the
collector has to look all of them up again. Then packing of what came, the search for chunks to
merge where none are due (made each ten seconds), the survey, and the memory of the roles. A table
for `docs/why/scale.md` is printed last.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import psutil

from bench.remote import Ours, milliseconds
from bench.stage import clocked, memory, role, servers, web, write

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 10_000)
BATCH = 5_000
METERS = 10
MINUTE_US = 60_000_000
QUESTIONS = 200
ROUNDS = 3

#: Row of the table → unit, and the figure's name in the result.
ROWS = {
    "First sight of a series, series/s": "first_sight_per_s",
    "Poll of known series, samples/s": "known_per_s",
    "Poll after the epoch rose, samples/s": "after_epoch_per_s",
    "Packing, rows/s (three points a chunk)": "compaction_rows_per_s",
    "Search for due chunks, none due, ms": "due_search_ms",
    "Survey, ms": "survey_ms",
    "One series' hour by HTTP, p50 ms": "read_p50_ms",
    "Collector, PSS MiB": "collector_pss_mib",
    "Web, PSS MiB": "web_pss_mib",
    "Evaluator (idle), PSS MiB": "evaluator_pss_mib",
    "Catalogue on disk, bytes a series": "catalogue_bytes_per_series",
}


def sightings(first: int, end: int, at_us: int) -> Iterator[Any]:
    """Batches of the series [first, end), a sample each."""
    from meters import wire
    from pollers.batch import BatchBuilder

    for begin in range(first, end, BATCH):
        builder = BatchBuilder("bench")
        for number in range(begin, min(end, begin + BATCH)):
            name = f"vm-{number // METERS}"
            one = wire.Resource(name, "p", "u", "instance", {"display_name": name})
            builder.add(one, f"meter.{number % METERS}", float(number), at_us, "B")
        yield from builder.batches()


def again(batches: Sequence[Any], at_us: int) -> Iterator[Any]:
    """The same series a poll later: catalogues are equal, byte for byte."""
    import msgspec
    import numpy as np

    from meters import wire

    for batch in batches:
        columns = wire.decode_columns(batch.samples)
        later = replace(columns, timestamp=np.full_like(columns.timestamp, at_us))
        samples = wire.pack_columns(batch.samples.catalogue, later)
        yield msgspec.structs.replace(batch, batch_id=wire.new_batch_id(), samples=samples)


def sent(agent: Any, batches: Sequence[Any]) -> float:
    """Seconds until all have their receipts."""
    began = time.perf_counter()
    agent.submit(batches)
    while len(agent.spool):
        time.sleep(0.002)
    return time.perf_counter() - began


def raise_epoch() -> None:
    from django.db import connection

    from meters.store.catalogue_statements import RAISE_EPOCH

    with connection.cursor() as cursor:
        cursor.execute(RAISE_EPOCH)


def pack() -> tuple[float, int]:
    """(seconds, rows) of packing all that is in the head."""
    from meters.store import head
    from meters.store.compaction import compact

    head.rotate(at_once=True)
    began, rows = time.perf_counter(), 0
    while packing := compact():
        rows += packing.rows
    return time.perf_counter() - began, rows


def in_database(series: int) -> dict[str, float]:
    """What the periodic jobs cost at this size."""
    from django.db import connection

    from meters.store.compaction import merge
    from meters.store.surveys import survey

    seconds, rows = pack()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE meters_chunk")
        cursor.execute(
            "SELECT sum(pg_total_relation_size(one)) FROM unnest(ARRAY['meters_metric', "
            "'meters_resource', 'meters_resourcerevision']) AS one"
        )
        catalogue = int(cursor.fetchone()[0])
    return {
        "compaction_rows_per_s": rows / seconds,
        "compaction_s": seconds,
        "due_search_ms": 1000 * statistics.median(clocked(merge) for _ in range(ROUNDS)),
        "survey_ms": 1000 * statistics.median(clocked(survey) for _ in range(ROUNDS)),
        "catalogue_bytes_per_series": catalogue / series,
    }


def read(url: str, at_us: int) -> dict[str, float]:
    """An hour of single series by HTTP."""
    from meters.models import Metric

    step = max(1, Metric.objects.count() // QUESTIONS)
    uuids = Metric.objects.order_by("pk").values_list("uuid", flat=True)[::step][:QUESTIONS]
    ours = Ours(url, [str(one) for one in uuids])
    found = [ours.range(n, at_us - 60 * MINUTE_US, at_us + MINUTE_US) for n in range(len(uuids))]
    figures = milliseconds([seconds for seconds, _ in found])
    return {f"read_{name}": value for name, value in figures.items()}


class Growth:
    """The stage: a collector, an evaluator and a web role, and all batches so far."""

    def __init__(self, agent: Any, url: str, processes: dict[str, psutil.Process]) -> None:
        self.agent = agent
        self.url = url
        self.processes = processes
        self.batches: list[Any] = []
        self.series = 0
        self.at_us = 0

    def grow(self, series: int) -> dict[str, float]:
        """To so many series; what that came to."""
        new = list(sightings(self.series, series, self._next_minute()))
        first = sent(self.agent, new)
        found = {"first_sight_per_s": (series - self.series) / first}
        self.batches += new
        self.series = series
        found["known_per_s"] = series / sent(
            self.agent, list(again(self.batches, self._next_minute()))
        )
        raise_epoch()
        later = list(again(self.batches, self._next_minute()))
        found["after_epoch_per_s"] = series / sent(self.agent, later)
        found |= in_database(series) | read(self.url, self.at_us)
        for name, process in self.processes.items():
            found |= {f"{name}_{key}": value for key, value in memory(process).items()}
        return found

    def _next_minute(self) -> int:
        from telemetry_site.clock import now_us

        self.at_us = (self.at_us or now_us() - 30 * MINUTE_US) + MINUTE_US
        return self.at_us


def table(result: dict[str, dict[str, float]]) -> str:
    """Markdown."""
    head = ["", *(f"{int(size):,} series" for size in result)]
    lines = [head, ["---"] * len(head)]
    for title, name in ROWS.items():
        lines.append([title, *(_short(figures[name]) for figures in result.values())])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    sizes = QUICK_SIZES if parser.parse_args().quick else SIZES
    result: dict[str, Any] = {}
    with servers():
        from meters.default_policies import make_default_policies
        from pollers.agent import Agent

        make_default_policies()
        agent = Agent("bench")
        agent.start()
        try:
            with (
                role("collector") as collector,
                role("evaluator") as evaluator,
                web() as (url, one),
            ):
                processes = {"collector": collector, "web": one, "evaluator": evaluator}
                growth = Growth(agent, url, processes)
                growth.grow(METERS)  # the roles' start is not what is measured
                for size in sizes:
                    began = time.monotonic()
                    result[str(size)] = growth.grow(size)
                    result[str(size)]["took_s"] = time.monotonic() - began
                    print(f"{size} series: {result[str(size)]['took_s']:.0f} s", flush=True)
        finally:
            agent.stop()
    write("growth", result)
    print(table(result))


if __name__ == "__main__":
    main()
