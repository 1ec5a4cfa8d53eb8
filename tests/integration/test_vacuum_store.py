"""`manage.py vacuum_store`: orphans, unmerged leftovers and dead rows go, and it says so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.db import connection, transaction

from meters.management.commands import vacuum_store
from meters.models import Chunk, DeletedSeries, Metric
from meters.store import vacuum
from meters.store.deletion import delete_metrics
from meters.store.locks import MERGE_LOCK, alone
from telemetry_site.clock import now_us
from tests.support.storing import DAY, in_a_thread, pack, run, series, store, stored

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]


@pytest.fixture
def noon() -> int:
    """Of the day before yesterday, whose chunks wait to be merged."""
    at = (now_us() // DAY - 2) * DAY + DAY // 2
    for value in (1.0, 2.0):
        store(("vm-1", at, value), ("vm-2", at, value), ("vm-3", at, value))
        pack()
    return at


def test_an_empty_store() -> None:
    assert "series without a metric: 0" in run("vacuum_store")
    assert "to be deleted: 0, of 0 series" in run("vacuum_store", "--dry-run")


def test_it_deletes_orphans_and_merges_and_vacuums(
    noon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vacuum, "SERIES_AT_ONCE", series("vm-2"))  # two ranges, however ids stand
    Metric.objects.filter(pk=series("vm-1")).delete()  # by hand, past `delete_metrics`
    delete_metrics([series("vm-2")])
    said = run("vacuum_store")
    for line in ("without a metric: 1", "deleted: 4", "merged: 1"):
        assert line in said
    assert (Chunk.objects.count(), DeletedSeries.objects.count()) == (1, 0)
    assert stored("vm-3") == {noon: 2.0}
    assert "merged: 0" in run("vacuum_store")


def test_a_dry_run_counts_and_changes_nothing(noon: int) -> None:
    Metric.objects.filter(pk=series("vm-1")).delete()
    delete_metrics([series("vm-2")])
    said = run("vacuum_store", "--dry-run")
    assert "to be deleted: 2, of 1 series" in said
    assert "to be swept: 1" in said
    assert "to be merged: 3" in said
    assert "meters_chunk" in said
    assert (Chunk.objects.count(), DeletedSeries.objects.count()) == (6, 1)


def test_rewriting_gives_the_space_back_to_the_disk(noon: int) -> None:
    store(*((f"more-{n}", noon, 1.0) for n in range(3000)))
    pack()
    Metric.objects.filter(resource__original_id__startswith="more").delete()
    run("vacuum_store")
    before = vacuum.state_of("meters_chunk").bytes
    assert "to the disk: 0" not in run("vacuum_store", "--full")
    assert vacuum.state_of("meters_chunk").bytes < before
    assert stored("vm-3") == {noon: 2.0}


def test_rewriting_does_not_queue_behind_a_reader_for_long(
    noon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vacuum, "REWRITE_WITHIN", "100ms")
    with transaction.atomic(), ThreadPoolExecutor() as pool:
        assert Chunk.objects.count()
        running = pool.submit(in_a_thread(lambda: run("vacuum_store", "--full")))
        with pytest.raises(CommandError, match=r"VACUUM of meters_chunk: .*lock timeout"):
            running.result(30)


def test_who_merges_meanwhile_is_waited_for_and_then_left_the_rest(
    noon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vacuum_store, "PATIENCE_S", 0.5)
    delete_metrics([series("vm-2")])
    with ThreadPoolExecutor() as pool, transaction.atomic(), connection.cursor() as cursor:
        assert alone(cursor, MERGE_LOCK)
        said = pool.submit(in_a_thread(lambda: run("vacuum_store"))).result(30)
    assert "as others pack or merge: 1 series" in said
    assert Chunk.objects.count() == 6
    assert "deleted: 2" in run("vacuum_store")


def test_a_terminal_shows_a_bar(noon: int) -> None:
    class Terminal:
        text = ""

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None: ...

    bar: Any = Terminal()
    run("vacuum_store", stderr=bar)
    assert "merging" in bar.text
