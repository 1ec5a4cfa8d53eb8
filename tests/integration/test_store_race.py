"""Readers that race with everything that moves samples see each of them exactly once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from importlib import import_module
from itertools import cycle

import pytest
from django.db import connection

from meters.models import Metric, RetentionWalk
from meters.store import head, retention
from meters.store.compaction import compact, merge
from meters.store.deletion import delete_resources, sweep_deleted
from meters.store.moments import points_by_day
from meters.store.read import latest_points, read_points
from meters.store.surveys import survey
from telemetry_site.clock import from_us, now, now_us, to_us
from telemetry_site.database import left_to_the_next_run
from tests.support.storing import DAY, Sample, elsewhere, store

FORWARD = import_module("meters.migrations.0014_points_of_one_opening").FORWARD

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]

DAYS = 4
#: Has no factor in common with `DAYS`, so that each day gets its share, in no order of time.
STRIDE = 7


class Writer:
    """Stores one sample after the other; the newest of all says how many there are."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.first = (now_us() // DAY - DAYS) * DAY
        self.written = 0
        self.write()
        self.pk = Metric.objects.get(resource__original_id=name).pk

    def time_of(self, number: int) -> int:
        """Of sample `number`: early and late ones in turns, over all days but the last."""
        turn, day = divmod(number * STRIDE, DAYS)
        return self.first + day * DAY + turn

    @property
    def counter(self) -> int:
        """The time of the sample that is overwritten by each transaction."""
        return self.first + DAYS * DAY

    def write(self) -> None:
        number = self.written + 1
        own = (self.name, self.time_of(number), float(number))
        told: Sample = (self.name, self.counter, float(number))
        store(own, told)
        self.written = number

    def contents(self, number: int) -> dict[int, float]:
        own = {self.time_of(n): float(n) for n in range(1, number + 1)}
        return own | {self.counter: float(number)}


def move_on(done: Counter[str]) -> None:
    """All that the periodic job does, in small steps, counted."""
    with left_to_the_next_run("packing"):  # somebody holds a slot: nothing was changed
        done["packed"] += compact() is not None
        head.rotate(at_once=True)
    done["merged"] += merge()
    swept = sweep_deleted()
    done["swept"] += swept.series if swept else 0
    survey()


def retain() -> None:
    RetentionWalk.objects.update(begun_at=now() - timedelta(days=2))
    retention.walk(seconds=0.1)


def come_and_go() -> Callable[[], None]:
    """Resources that are deleted as soon as they are there."""
    names = cycle(f"gone-{n}" for n in range(3))

    def work() -> None:
        name = next(names)
        store((name, now_us() - 3 * DAY, 1.0), (name, now_us(), 2.0))
        pks = Metric.objects.filter(resource__original_id=name).values_list(
            "resource_id", flat=True
        )
        delete_resources(list(pks))

    return work


def read_all(writers: list[Writer]) -> Callable[[], None]:
    """All samples of all writers, by the one door."""

    def read() -> None:
        least = [writer.written for writer in writers]
        points = read_points([writer.pk for writer in writers])
        most = [writer.written + 1 for writer in writers]
        rows = list(zip(*(column.tolist() for column in points), strict=True))
        for place, writer in enumerate(writers):
            seen = [(moment, value) for index, moment, value in rows if index == place]
            number = len(seen) - 1
            assert least[place] <= number <= most[place]
            assert len(dict(seen)) == len(seen), "a sample twice"
            assert dict(seen) == writer.contents(number)

    return read


def read_parts(writer: Writer) -> None:
    """One day, the newest, and the days: each by its own statements."""
    least = writer.written
    day = writer.first + DAY
    points = read_points([writer.pk], from_us(day), from_us(day + DAY))
    newest = latest_points([writer.pk])[writer.pk]
    days = points_by_day([writer.pk], from_us(writer.first), from_us(writer.counter + 1))
    most = writer.written + 1
    times = points.timestamps.tolist()
    sure = {time for n in range(1, least + 1) if day <= (time := writer.time_of(n)) < day + DAY}
    may = {time for n in range(1, most + 1) if day <= (time := writer.time_of(n)) < day + DAY}
    assert len(set(times)) == len(times)
    assert sure <= set(times) <= may
    assert to_us(newest[0]) == writer.counter
    assert least <= newest[1] <= most
    assert sum(days.values()) >= least + 1  # at the most: what is packed meanwhile counts twice


def race(seconds: float) -> None:
    writers = [Writer("vm-1"), Writer("vm-2")]
    read = read_all(writers)
    done: Counter[str] = Counter()
    mover = partial(move_on, done)
    busy = [*(writer.write for writer in writers), mover, mover, retain, come_and_go(), read]
    end, reads = time.monotonic() + seconds, 0
    with ExitStack() as stack:
        for work in busy:
            stack.enter_context(elsewhere(work))
        while time.monotonic() < end:
            read()
            read_parts(writers[reads % 2])
            reads += 1
    print(f"{reads} reads, {[writer.written for writer in writers]} samples, {dict(done)}")
    assert reads > seconds
    assert min(done["packed"], done["merged"], done["swept"]) > 1
    assert all(writer.written > seconds for writer in writers)
    read()


def test_every_sample_is_seen_once_whatever_moves_it() -> None:
    race(seconds=6)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_every_sample_is_seen_once_for_minutes() -> None:
    race(seconds=180)


@pytest.fixture
def slow_reading() -> Iterator[None]:
    """A reader's backend that gets no time between the list of slots and what is read of them."""
    listed = "IF statement IS NOT NULL THEN"
    with connection.cursor() as cursor:
        cursor.execute(FORWARD.replace(listed, f"PERFORM pg_sleep(0.05); {listed}", 1))
        yield
        cursor.execute(FORWARD)


@pytest.mark.usefixtures("slow_reading")
def test_the_ring_goes_all_round_while_a_reader_has_only_listed_its_slots() -> None:
    race(seconds=4)
