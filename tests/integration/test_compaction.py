"""The ring, packing and merging on a real PostgreSQL: readers see each point once, the last one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import numpy as np
import pytest
from django.db import OperationalError, connection, transaction
from prometheus_client import REGISTRY
from psycopg.errors import LockNotAvailable

from meters.models import Chunk, HeadSample, HeadSlot, Metric
from meters.store import chunks, compaction, head, read
from meters.store.compaction import Packing, compact, merge
from meters.store.read import latest_points, read_points
from telemetry_site.clock import from_us, now, now_us, to_us
from tests.support.batches import SECOND
from tests.support.storing import (
    DAY,
    elsewhere,
    in_a_thread,
    pack,
    run,
    store,
    stored,
    untimed,
    wait_until_somebody_waits_for_a_lock,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]


@pytest.fixture
def noon() -> int:
    """Of the day before yesterday, so that its chunks are due for merging."""
    return (now_us() // DAY - 2) * DAY + DAY // 2


def newest() -> dict[int, float]:
    ((at, value),) = latest_points([Metric.objects.get().pk]).values()
    return {to_us(at): value}


@contextmanager
def limited_to(span: str) -> Iterator[None]:
    """As long as a request's statements and pauses may take."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = '{span}'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{span}'")
    try:
        yield
    finally:
        connection.close()


def store_minutes(noon: int) -> None:
    """More rows than a range of the index has."""
    for first in range(0, 12_000, 2_000):
        store(*(("vm-1", noon + (first + k) * SECOND, 1.0) for k in range(2_000)))


def ranges_unknown() -> int:
    """To the index of the first slot; it knows them then."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT brin_summarize_new_values('head_0_place')")
        return int(cursor.fetchone()[0])


def in_states() -> dict[str, int]:
    states = HeadSlot.objects.values_list("state", flat=True)
    return {state: list(states).count(state) for state in ("open", "closed", "free")}


class TestPacking:
    def test_points_are_the_same_in_each_place(self, noon: int) -> None:
        wanted = {noon + k * SECOND: k / 7 for k in range(100)}
        store(*(("vm-1", at, value) for at, value in wanted.items()))
        assert stored() == wanted

        assert head.rotate(at_once=True)
        assert in_states() == {"open": 1, "closed": 1, "free": 4}
        assert stored() == wanted

        assert untimed(compact()) == Packing(slot=0, rows=100, points=100, chunks=1, waited_s=0)
        assert in_states() == {"open": 1, "closed": 0, "free": 5}
        assert HeadSample.objects.count() == 0
        assert stored() == wanted

        assert merge() == 1
        assert stored() == wanted

    def test_values_come_back_bit_for_bit(self, noon: int) -> None:
        values = [-0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, float(2**53)]
        store(*(("vm-1", noon + k, value) for k, value in enumerate(values)))
        pack()
        assert np.array(list(stored().values())).tobytes() == np.array(values).tobytes()

    @pytest.mark.parametrize("after", range(4))
    def test_the_value_stored_last_wins_wherever_it_lies(self, noon: int, after: int) -> None:
        store(("vm-1", noon, 1.0), ("vm-1", noon + SECOND, 7.0))
        steps: list[Callable[[], Any]] = [lambda: None, pack, merge, pack]
        for step in steps[: after + 1]:
            step()
        store(("vm-1", noon, 2.0))
        assert stored() == {noon: 2.0, noon + SECOND: 7.0}
        pack()
        assert stored() == {noon: 2.0, noon + SECOND: 7.0}
        merge()
        assert stored() == {noon: 2.0, noon + SECOND: 7.0}
        assert Chunk.objects.count() == 1

    def test_a_point_twice_in_a_slot_is_packed_once(self, noon: int) -> None:
        store(("vm-1", noon, 1.0))
        store(("vm-1", noon, 2.0))
        assert untimed(pack()) == Packing(slot=0, rows=2, points=1, chunks=1, waited_s=0)
        assert stored() == {noon: 2.0}

    def test_slots_are_packed_in_the_order_of_their_filling(self, noon: int) -> None:
        for value in (1.0, 2.0, 3.0):
            store(("vm-1", noon, value))
            assert head.rotate(at_once=True)
        assert [compact().slot for _ in range(3)] == [0, 1, 2]  # type: ignore[union-attr]
        assert compact() is None
        assert stored() == {noon: 3.0}

    def test_a_slot_is_packed_in_pieces(self, noon: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compaction, "PIECE_PAGES", 1)
        wanted = {}
        for value in range(3):
            wanted |= {noon + k * SECOND: float(value) for k in range(value * 100, 400)}
            store(*(("vm-1", at, v) for at, v in wanted.items()))
        packing = pack()
        assert packing is not None
        assert packing.chunks == packing.rows // 157 + 1 > 1  # so many rows has a page
        assert stored() == wanted
        assert merge() == 1
        assert stored() == wanted

    @pytest.mark.parametrize("job", [compact, merge])
    def test_it_may_take_longer_than_a_request(
        self, noon: int, monkeypatch: pytest.MonkeyPatch, job: Callable[[], object]
    ) -> None:
        store(("vm-1", noon, 1.0))
        head.rotate(at_once=True)
        if job is merge:
            compact()
        write, arrange = chunks._rows, chunks.arrange

        def slow_rows(*parts: Any) -> Iterator[bytes]:
            time.sleep(0.5)
            return write(*parts)

        def slow_arrange(*columns: Any) -> Any:
            time.sleep(0.5)
            return arrange(*columns)

        monkeypatch.setattr(chunks, "_rows", slow_rows)
        monkeypatch.setattr(chunks, "arrange", slow_arrange)
        with limited_to("200ms"):
            assert job()
        assert stored() == {noon: 1.0}

    def test_writers_bring_the_open_slots_index_up_to_date(
        self, noon: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each reading goes through every page that it does not know."""
        monkeypatch.setattr(head, "SUMMARIZED_EACH_S", 0.0)
        store_minutes(noon)
        assert ranges_unknown() == 0
        monkeypatch.setattr(head, "SUMMARIZED_EACH_S", 3600.0)
        store_minutes(noon)
        assert ranges_unknown() > 0

    def test_a_writer_does_not_wait_to_do_so(
        self, noon: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(head, "SUMMARIZED_EACH_S", 0.0)
        with ThreadPoolExecutor() as pool, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK {head.table_of(0)} IN SHARE UPDATE EXCLUSIVE MODE")
            pool.submit(in_a_thread(lambda: store(("vm-1", noon, 1.0)))).result()
        assert stored() == {noon: 1.0}

    def test_the_ring_when_full_grows_in_its_open_slot(self, noon: int) -> None:
        for number in range(6):
            store(("vm-1", noon + number, 1.0))
            assert head.rotate(at_once=True) == (number < 5)
        store(("vm-1", noon + 6, 1.0))
        assert in_states() == {"open": 1, "closed": 5, "free": 0}
        while compact():
            pass
        assert pack() is not None
        assert len(stored()) == 7

    def test_points_of_a_deleted_metric_are_not_packed(self, noon: int) -> None:
        store(("vm-1", noon, 1.0), ("vm-2", noon, 2.0))
        Metric.objects.filter(resource__original_id="vm-1").delete()
        assert untimed(pack()) == Packing(slot=0, rows=2, points=1, chunks=1, waited_s=0)
        assert stored("vm-2") == {noon: 2.0}

    def test_days_are_chunks_of_their_own(self, noon: int) -> None:
        store(*(("vm-1", noon + k * DAY // 2, float(k)) for k in range(3)))
        packing = pack()
        assert packing is not None
        assert packing.chunks == 2
        assert Chunk.objects.values_list("count", flat=True).order_by("start")[0] == 1

    def test_reading_is_half_open_also_within_a_chunk(self, noon: int) -> None:
        store(*(("vm-1", noon + k * SECOND, float(k)) for k in range(10)))
        pack()
        pk = Metric.objects.get().pk
        points = read_points([pk], from_us(noon + 3 * SECOND), from_us(noon + 6 * SECOND))
        assert points.values.tolist() == [3.0, 4.0, 5.0]
        assert not len(read_points([pk], from_us(noon + 10 * SECOND)).values)
        assert not len(read_points([pk], None, from_us(noon)).values)

    def test_latest_points_are_found_in_chunks(self, noon: int) -> None:
        store(("vm-1", noon, 1.0), ("vm-1", noon - DAY, 5.0), ("vm-2", noon, 8.0))
        pack()
        store(("vm-1", noon - 1, 2.0), ("vm-2", noon, 9.0))
        pack()
        one, two = Metric.objects.order_by("resource__original_id").values_list("pk", flat=True)
        assert latest_points([one, two]) == {one: (from_us(noon), 1.0), two: (from_us(noon), 9.0)}
        assert latest_points([one, two], timedelta(hours=1)) == {}


class TestRotation:
    def test_it_waits_until_the_slot_is_old_or_full(self, noon: int, settings: Any) -> None:
        assert not head.rotate()
        store(("vm-1", noon, 1.0))
        assert not head.rotate()
        settings.TELEMETRY_SLOT_SECONDS = 0
        assert head.rotate()
        assert not head.rotate(), "an empty slot is not closed for its age"
        settings.TELEMETRY_SLOT_BYTES = 1
        store(("vm-1", noon, 1.0))
        assert head.rotate()


class TestTending:
    def test_one_run_does_all_that_is_due_and_says_so(self, noon: int, settings: Any) -> None:
        settings.TELEMETRY_SLOT_SECONDS = 0
        before = [sample("telemetry_compactions_total"), written("compaction"), written("merge")]
        store(("vm-1", noon, 1.0), ("vm-2", noon, 2.0))
        compaction.tend()
        assert (stored(), HeadSample.objects.count()) == ({noon: 1.0}, 0)
        assert not Chunk.objects.filter(merged=False).exists()
        after = [sample("telemetry_compactions_total"), written("compaction"), written("merge")]
        assert np.subtract(after, before).tolist() == [1, 2, 2]
        assert sample("telemetry_head_slots_free") == 5
        assert sample("telemetry_compaction_lag_seconds") == 0

    def test_chunks_to_merge_are_looked_for_after_packing_and_now_and_then(
        self, noon: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unmerged() -> int:
            return Chunk.objects.filter(merged=False).count()

        store(("vm-1", noon, 1.0))
        assert head.rotate(at_once=True)
        assert compact()
        monkeypatch.setattr(compaction, "_next_look", time.monotonic() + 60)
        compaction.tend()
        assert unmerged() == 1
        store(("vm-1", noon + 1, 1.0))
        assert head.rotate(at_once=True)
        compaction.tend()
        assert unmerged() == 0
        assert compaction._next_look > time.monotonic() + 60, "there was nothing left to merge"

    def test_a_slot_that_waits_is_measured(self, noon: int) -> None:
        store(("vm-1", noon, 1.0))
        assert head.rotate(at_once=True)
        HeadSlot.objects.filter(state="closed").update(opened_at=now() - timedelta(hours=1))
        compaction.tend(seconds=0)
        assert 3600 <= sample("telemetry_compaction_lag_seconds") < 3700
        assert sample("telemetry_head_slots_free") == 4


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def written(job: str) -> float:
    return sample("telemetry_chunks_written_total", job=job)


class TestInfo:
    def test_an_empty_store(self) -> None:
        text = run("store_info")
        assert "nothing packed yet" in text
        assert text.count("free") == 5

    def test_what_lies_where(self, noon: int) -> None:
        store(("vm-1", noon, 1.0), ("vm-2", noon, 2.0))
        pack()
        store(("vm-1", noon + 1, 3.0))
        info = json.loads(run("store_info", "--format", "json"))
        assert [info[name] for name in ("series", "head_samples", "chunk_samples", "chunks")] == [
            2, 1, 2, 2,
        ]  # fmt: skip
        assert info["bytes_per_sample"] == info["chunk_bytes"] / 2
        assert info["compaction_lag_seconds"] == 0
        assert [slot["state"] for slot in info["slots"]].count("open") == 1
        assert "2, of which 2 wait to be merged" in run("store_info")


class TestMerging:
    def test_a_day_that_is_not_over_is_merged_by_the_dozen(self) -> None:
        at = now_us() // DAY * DAY
        for number in range(compaction.FAN_IN - 1):
            store(("vm-1", at + number, float(number)))
            pack()
        assert merge() == 0
        store(("vm-1", at, 99.0))
        pack()
        assert merge() == 1
        assert Chunk.objects.get().count == compaction.FAN_IN - 1
        assert stored()[at] == 99.0
        assert merge() == 0, "what is merged is not due again"

    def test_a_late_sample_makes_its_day_due_again(self, noon: int) -> None:
        store(("vm-1", noon, 1.0))
        pack()
        assert (merge(), merge()) == (1, 0)
        store(("vm-1", noon + 1, 2.0))
        pack()
        assert Chunk.objects.count() == 2
        assert (merge(), merge()) == (1, 0)
        assert stored() == {noon: 1.0, noon + 1: 2.0}

    def test_many_are_merged_in_several_steps(self, noon: int) -> None:
        for value in (1.0, 2.0):
            store(*((f"vm-{n}", noon, value) for n in range(7)))
            pack()
        assert [merge(at_most=3) for _ in range(4)] == [3, 3, 1, 0]
        assert Chunk.objects.count() == 7
        assert stored("vm-6") == {noon: 2.0}


def compact_if_free() -> Packing | None:
    """In a thread of its own; None if a lock was not to be had."""
    try:
        return compact()
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        return None
    finally:
        connection.close()


class TestAtOnce:
    def test_readers_that_race_with_packing_see_every_point_once(self, noon: int) -> None:
        """1 thread writes, 2 move the ring on, pack and merge, this one reads."""
        store(("vm-1", noon, 0.0))
        pk = Metric.objects.get().pk
        written = [0]

        def write() -> None:
            number = written[0] + 1
            store(*(("vm-1", noon + k, float(number)) for k in (0, number)))
            written[0] = number

        def move_on() -> None:
            head.rotate(at_once=True)
            compact()
            merge()

        with elsewhere(write), elsewhere(move_on), elsewhere(move_on):
            for _ in range(400):
                least = written[0]
                points = read_points([pk])
                most = written[0] + 1
                last = len(points.timestamps) - 1
                assert points.timestamps.tolist() == list(range(noon, noon + last + 1))
                assert least <= last <= most
                assert points.values.tolist() == [float(last), *map(float, range(1, last + 1))]
        assert written[0] > 20
        assert len(read_points([pk]).values) == written[0] + 1

    @pytest.mark.parametrize("ask", [lambda: stored(), lambda: newest()])
    def test_a_slot_whose_packing_ends_while_a_reader_waits_for_it(
        self, noon: int, ask: Callable[[], Any]
    ) -> None:
        """It has listed the slot, and finds it empty: the chunks must be there then."""
        store(("vm-1", noon, 1.0))
        assert head.rotate(at_once=True)
        with ThreadPoolExecutor() as pool:
            with transaction.atomic():
                assert compact()
                reading = pool.submit(in_a_thread(ask))
                wait_until_somebody_waits_for_a_lock()
            assert reading.result() == {noon: 1.0}

    def test_a_slot_that_is_packed_between_the_two_looks_for_the_newest(
        self, noon: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store(("vm-1", noon, 1.0))
        assert head.rotate(at_once=True)
        byte_rows, looks = read.byte_rows, count(1)

        def packed_before(*asked: Any, **how: Any) -> Any:
            if next(looks) == 2:
                with ThreadPoolExecutor() as pool:
                    assert pool.submit(compact_if_free).result()
            return byte_rows(*asked, **how)

        monkeypatch.setattr(read, "byte_rows", packed_before)
        assert newest() == {noon: 1.0}
        assert next(looks) > 2

    def test_a_writer_inside_when_the_slot_is_closed_is_waited_for(self, noon: int) -> None:
        store(("vm-1", noon, 1.0))
        series = np.array([Metric.objects.get().pk])
        with ThreadPoolExecutor() as pool:
            with transaction.atomic(), connection.cursor() as cursor:
                slot = head.enter_head(cursor).slot
                assert pool.submit(in_a_thread(lambda: head.rotate(at_once=True))).result()
                packing = pool.submit(compact_if_free)
                wait_until_somebody_waits_for_a_lock()
                head.copy_rows(cursor, slot, head.Rows(series, np.array([noon + 1]), np.ones(1)))
            assert untimed(packing.result()) == Packing(
                slot=0, rows=2, points=2, chunks=1, waited_s=0
            )
        assert stored() == {noon: 1.0, noon + 1: 1.0}

    def test_a_writer_that_stays_inside_leaves_the_slot_as_it_was(
        self, noon: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compaction, "WRITERS_WITHIN", "200ms")
        with ThreadPoolExecutor() as pool:
            with transaction.atomic():
                store(("vm-1", noon, 1.0))
                assert pool.submit(in_a_thread(lambda: head.rotate(at_once=True))).result()
                assert pool.submit(compact_if_free).result() is None
            assert in_states()["closed"] == 1
        assert compact() is not None
        assert stored() == {noon: 1.0}

    def test_a_reader_that_stays_leaves_the_slot_as_it_was(
        self, noon: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compaction, "EMPTYING_TRIES", 3)
        store(("vm-1", noon, 1.0))
        assert head.rotate(at_once=True)
        reading, go_on = threading.Event(), threading.Event()

        def read() -> None:
            with transaction.atomic():
                assert stored() == {noon: 1.0}
                reading.set()
                assert go_on.wait(30)

        with elsewhere(read) as end:
            assert reading.wait(30)
            end()
            with pytest.raises(OperationalError, match="lock timeout"):
                compact()
            assert (in_states()["closed"], Chunk.objects.count()) == (1, 0)
            assert stored() == {noon: 1.0}
            go_on.set()
        assert compact() is not None
        assert stored() == {noon: 1.0}
