"""Ingest while twenty readers ask: `make bench NAME=under_load`, `OPTIONS=--quick` for a short one.

A collector of its own takes batches by the agents' way as fast as it can, while the store is
rotated, packed and merged as beat would have it; first alone, then with twenty processes that read
an hour of fifty series by the store's one door, again and again. Printed: samples committed a
second in both, the readers' latencies, and how long the packing took and waited for readers. More
than a second of a reader or of that wait is a failure.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from datetime import timedelta
from typing import Any, NamedTuple

from bench.growth import BATCH, again, sent, sightings
from bench.remote import milliseconds
from bench.stage import role, servers, write

SERIES = 100_000
READERS = 20
#: Of five resources that lie together.
SERIES_A_QUESTION = 50
#: So often a reader asks; twenty of them ask forty times a second.
PAUSE_S = 0.5
#: So often beat asks for packing, and a slot is closed each second time.
TEND_EVERY_S = 5.0
WAITING = 16
LONGEST_S = 1.0


class Packings(NamedTuple):
    """Seconds of each, and those of it in which it waited for readers; how many gave up."""

    seconds: list[float]
    waited_s: list[float]
    given_up: list[str]


class Phase(NamedTuple):
    samples_per_s: float
    reads_s: list[float]
    packings: Packings


def reader(ids: list[int], stop: Any, found: Any) -> None:
    """Seconds of each question, put into `found` at the end. A process of its own."""
    import random

    from django.db import connections

    from meters.store.read import read_points
    from telemetry_site.clock import from_us, now_us

    connections.close_all()
    seconds = []
    while not stop.wait(PAUSE_S * random.uniform(0.5, 1.5)):
        first = random.randrange(len(ids) - SERIES_A_QUESTION)
        some = ids[first : first + SERIES_A_QUESTION]
        end = from_us(now_us())
        began = time.perf_counter()
        read_points(some, end - timedelta(hours=1), end)
        seconds.append(time.perf_counter() - began)
    found.put(seconds)


def tender(stop: Any, found: Any) -> None:
    """Rotates, packs and merges, as the periodic job does; puts `Packings` at the end. A process of
    its own.
    """
    from django.db import OperationalError, connections

    from meters.store import head
    from meters.store.compaction import compact, merge

    connections.close_all()
    done = Packings([], [], [])
    while not stop.wait(TEND_EVERY_S):
        head.summarize()
        head.rotate(at_once=True)
        began = time.perf_counter()
        try:
            while packing := compact():
                done.seconds.append(time.perf_counter() - began)
                done.waited_s.append(packing.waited_s)
                began = time.perf_counter()
            while merge():
                pass
        except OperationalError as error:  # readers held the slot: the next run packs it
            done.given_up.append(str(error))
    found.put(done)


def ingest(agent: Any, batches: list[Any], seconds: float) -> float:
    """Samples with a receipt a second; so many batches wait at any time."""
    from telemetry_site.clock import now_us

    number = receipted = 0
    began = time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        waiting = len(agent.spool)
        receipted = number - waiting
        for _ in range(WAITING - waiting):
            agent.submit(list(again([batches[number % len(batches)]], now_us())))
            number += 1
        time.sleep(0.002)
    while len(agent.spool):
        time.sleep(0.01)
    return receipted * BATCH / spent


def phase(agent: Any, batches: list[Any], seconds: float, ids: list[int]) -> Phase:
    """With readers, if there are ids to read."""
    context = multiprocessing.get_context("fork")
    stop, reads, packings = context.Event(), context.Queue(), context.Queue()
    processes = [context.Process(target=tender, args=(stop, packings), daemon=True)]
    for _ in range(READERS if ids else 0):
        processes.append(context.Process(target=reader, args=(ids, stop, reads), daemon=True))
    for one in processes:
        one.start()
    rate = ingest(agent, batches, seconds)
    stop.set()
    found = [took for _ in processes[1:] for took in reads.get(timeout=120)]
    done = packings.get(timeout=120)
    for one in processes:
        one.join()
    return Phase(rate, found, done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    seconds = 10.0 if parser.parse_args().quick else 40.0
    with servers():
        from django.db import connections

        from meters.models import Metric
        from pollers.agent import Agent
        from telemetry_site.clock import now_us

        batches = list(sightings(0, SERIES, now_us()))
        agent = Agent("bench")
        with role("collector"):
            agent.start()
            try:
                sent(agent, batches)  # the role's start, and the series' first sight
                ids = list(Metric.objects.order_by("pk").values_list("pk", flat=True))
                connections.close_all()
                alone = phase(agent, batches, seconds, [])
                connections.close_all()
                beside = phase(agent, batches, seconds, ids)
            finally:
                agent.stop()
    result = {
        "collector_samples_per_s_alone": alone.samples_per_s,
        "collector_samples_per_s": beside.samples_per_s,
        "series": SERIES,
        "readers": READERS,
        "series_a_question": SERIES_A_QUESTION,
        "reads_per_s": len(beside.reads_s) / seconds,
        "reads": milliseconds(beside.reads_s),
        "longest_read_s": max(beside.reads_s),
        "packings": milliseconds(beside.packings.seconds),
        "packings_alone": milliseconds(alone.packings.seconds),
        "longest_wait_for_readers_s": max(beside.packings.waited_s),
        "packings_given_up": len(beside.packings.given_up),
    }
    write("under_load", result)
    longest = max(result["longest_read_s"], result["longest_wait_for_readers_s"])
    if longest > LONGEST_S or beside.packings.given_up:
        sys.exit(f"A reader or the packing was held up for more than {LONGEST_S:g} s.")


if __name__ == "__main__":
    main()
