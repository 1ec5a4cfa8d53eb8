"""Samples stored, packed and read back, in few words; and what goes on elsewhere meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from meters.models import Metric
from meters.store import head
from meters.store.compaction import Packing, compact
from meters.store.read import read_points
from meters.store.write import begin_rows, store_batch, store_rows
from tests.support.batches import SECOND, batch_of, resource

DAY = 86_400 * SECOND
Sample = tuple[str, int, float]


def store(*samples: Sample) -> None:
    """(resource, time, value) of the meter `cpu`."""
    store_batch(batch_of(*((resource(name), "cpu", value, at) for name, at, value in samples)))


def add_rows(rows: head.Rows) -> None:
    """Samples of metrics that are there, by their numbers."""
    with transaction.atomic(), connection.cursor() as cursor:
        store_rows(cursor, begin_rows(cursor, len(rows.series_id)), rows)


def pack() -> Packing | None:
    assert head.rotate(at_once=True)
    return compact()


def untimed(packing: Packing | None) -> Packing | None:
    """To be compared: as if it had not waited."""
    return packing and packing._replace(waited_s=0)


def series(name: str = "vm-1") -> int:
    return Metric.objects.get(resource__original_id=name).pk


def stored(name: str = "vm-1") -> dict[int, float]:
    return series_points(series(name))


def series_points(pk: int) -> dict[int, float]:
    """{time in microseconds: value} of one metric."""
    points = read_points([pk])
    return dict(zip(points.timestamps.tolist(), points.values.tolist(), strict=True))


def run(*arguments: str, **options: Any) -> str:
    """What a command writes."""
    out = StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


@contextmanager
def elsewhere(work: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """`work` again and again in a thread of its own; what it raises is raised at the end."""
    ended, problems = threading.Event(), []

    def run() -> None:
        try:
            while not ended.is_set():
                work()
        except BaseException as error:
            problems.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ended.set
    finally:
        ended.set()
        thread.join(60)
        assert not thread.is_alive()
    if problems:
        raise problems[0]


def in_a_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """`work` for a pool's thread, whose connection ends with it."""

    def worked() -> Any:
        try:
            return work()
        finally:
            connection.close()

    return worked


def wait_until_somebody_waits_for_a_lock() -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    end = time.monotonic() + 20
    with connection.cursor() as cursor:
        while time.monotonic() < end:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
    pytest.fail("nobody waits")
