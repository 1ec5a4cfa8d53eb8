"""Chunks go when they are past the retention of their metric's policy, or of the clock."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection

from meters.models import ArchivePolicy, Chunk, Metric, Quarantine, RetentionWalk
from meters.retention import begin, earliest
from meters.store import compaction, retention
from meters.store.compaction import merge
from meters.store.head import Rows
from meters.store.retention import Step, step, walk
from meters.store.write import store_batch
from telemetry_site import failpoints
from telemetry_site.clock import EPOCH, from_us, now, now_us
from tests.support.batches import SECOND, batch_of, resource
from tests.support.storing import DAY, add_rows, in_a_thread, pack, series, store, stored

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]

TODAY = now_us() // DAY * DAY


def policy(name: str = "three days", days: int | None = 3) -> ArchivePolicy:
    """Hours, kept for so many days."""
    points = None if days is None else days * 24
    definition = [
        {"granularity": 3600 * SECOND, "points": points},
        {"granularity": 60 * SECOND, "points": 60},
    ]
    kept, _ = ArchivePolicy.objects.update_or_create(
        name=name, defaults={"definition": definition, "aggregation_methods": ["mean"]}
    )
    return kept


def measured(name: str, *days: int, **fields: Any) -> None:
    """A metric of the metric API with a sample at noon of each day, counted from the newest."""
    if not Metric.objects.filter(resource__original_id=name).exists():
        store((name, TODAY, 0.0))
        pack()
        Chunk.objects.filter(series_id=series(name)).delete()
        Metric.objects.filter(pk=series(name)).update(**fields)
    at = np.array([noon(day) for day in days])
    add_rows(Rows(np.full(len(days), series(name)), at, np.array(days, dtype=float)))
    pack()


def noon(day: int) -> int:
    """Of a day so long ago that the clock would keep no sample of it."""
    return TODAY - 1000 * DAY + day * DAY + DAY // 2


def days(name: str = "vm-1") -> list[int]:
    return sorted(int(day) for day in stored(name).values())


def walked() -> None:
    """A whole walk, due or not."""
    RetentionWalk.objects.update(begun_at=now() - timedelta(days=2))
    walk()
    assert RetentionWalk.objects.get().ended_at


class TestPolicies:
    def test_it_counts_from_the_newest_sample_not_from_the_clock(self) -> None:
        measured("vm-1", *range(10), archive_policy=policy())
        measured("vm-2", *range(5), archive_policy=policy())
        walked()
        assert days("vm-1") == [6, 7, 8, 9], "day 6 is the predecessor of the first that is kept"
        assert days("vm-2") == [1, 2, 3, 4], "it fell silent, and keeps what it has"
        walked()
        assert (days("vm-1"), days("vm-2")) == ([6, 7, 8, 9], [1, 2, 3, 4])

    def test_the_last_sample_before_a_gap_stays_for_the_rate_after_it(self) -> None:
        measured("vm-1", 0, 1, 50, 51, archive_policy=policy())
        walked()
        assert days() == [1, 50, 51]

    def test_a_metric_with_a_policy_that_has_no_end_keeps_all(self) -> None:
        measured("vm-1", *range(10), archive_policy=policy(days=None))
        measured("vm-2", *range(10), archive_policy=policy("for ages", days=10**9))
        walked()
        assert days("vm-1") == days("vm-2") == list(range(10))

    def test_late_samples_go_at_the_next_walk_and_delay_nothing(self) -> None:
        measured("vm-1", *range(10), archive_policy=policy())
        merge()
        walked()
        measured("vm-1", 2, 3, 8)
        assert days() == [2, 3, 6, 7, 8, 9]
        walked()
        assert days() == [6, 7, 8, 9]

    def test_samples_in_the_head_count_once_they_are_packed(self) -> None:
        measured("vm-1", *range(5), archive_policy=policy(days=1))
        add_rows(Rows(np.array([series()]), np.array([noon(9)]), np.array([9.0])))
        walked()
        assert days() == [3, 4, 9]
        pack()
        walked()
        assert days() == [4, 9]

    def test_a_policy_that_was_shrunk_or_enlarged_holds_from_the_next_walk_on(self) -> None:
        measured("vm-1", *range(10), archive_policy=policy(days=5))
        walked()
        assert days() == [4, 5, 6, 7, 8, 9]
        policy(days=7)
        walked()
        assert days() == [4, 5, 6, 7, 8, 9]
        measured("vm-1", 10, 11)
        walked()
        assert days() == [4, 5, 6, 7, 8, 9, 10, 11]
        policy(days=1)
        walked()
        assert days() == [10, 11]

    def test_another_policy_of_the_metric_holds_too(self) -> None:
        measured("vm-1", *range(10), archive_policy=policy())
        Metric.objects.update(archive_policy=policy("week", days=7))
        walked()
        assert days() == [2, 3, 4, 5, 6, 7, 8, 9]


class TestClock:
    def test_metrics_without_a_policy_keep_what_the_setting_says(self, settings: Any) -> None:
        settings.TELEMETRY_RETENTION_DAYS = 995
        measured("vm-1", *range(10))
        measured("vm-2", *range(10), archive_policy=policy(days=None))
        walked()
        assert days("vm-1") in ([5, 6, 7, 8, 9], [6, 7, 8, 9])
        assert days("vm-2") == list(range(10))

    def test_of_a_day_the_value_stored_first_does_not_come_back(self, settings: Any) -> None:
        """The chunk with the second value ends before the bound, the one with the first after."""
        bound = now_us() - 3 * DAY
        at, later = bound - 60 * SECOND, bound + 600 * SECOND
        store(("vm-1", at, 1.0), ("vm-1", later, 1.0))
        pack()
        store(("vm-1", at, 2.0))
        pack()
        settings.TELEMETRY_RETENTION_DAYS = 3
        walked()
        assert stored().get(at) in (2.0, None)

    @pytest.mark.parametrize("keep", ["clock", "policy"])
    def test_of_a_day_the_chunks_stored_last_go_last(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, keep: str
    ) -> None:
        monkeypatch.setattr(retention, "CHUNKS_AT_ONCE", 1)
        at = TODAY - 9 * DAY
        for value in (1.0, 2.0, 3.0):
            store(("vm-1", at, value), ("vm-1", TODAY, value))
            pack()
        store(("vm-1", TODAY - 5 * DAY, 0.0))
        pack()
        first = Chunk.objects.filter(start=from_us(at)).order_by("sequence").values("sequence")[:1]
        Chunk.objects.filter(sequence__in=first).update(merged=False)  # it lies last from now on
        if keep == "policy":
            Metric.objects.update(archive_policy=policy())
        settings.TELEMETRY_RETENTION_DAYS = 3
        seen = [stored().get(at)]
        while step():
            seen.append(stored().get(at))
        assert seen[:4] == [3.0, 3.0, 3.0, None]

    def test_nought_days_are_no_retention(self, settings: Any) -> None:
        settings.TELEMETRY_RETENTION_DAYS = 0
        measured("vm-1", *range(3))
        walked()
        assert days() == [0, 1, 2]
        result = store_batch(batch_of((resource("old"), "cpu", 1.0, 1), agent_id="a"))
        assert (result.samples, Quarantine.objects.count()) == (1, 0)
        assert stored("old") == {1: 1.0}

    @pytest.mark.parametrize("days", [0, -1, 10**9])
    def test_the_earliest_time_is_1970_without_retention(self, settings: Any, days: int) -> None:
        settings.TELEMETRY_RETENTION_DAYS = days
        assert earliest(now()) == EPOCH

    def test_the_earliest_time_is_so_many_days_ago(self, settings: Any) -> None:
        settings.TELEMETRY_RETENTION_DAYS = 2
        moment = now()
        assert earliest(moment) == moment - timedelta(days=2)


class TestBegin:
    """Before which no sample of some metrics has to be looked for."""

    def test_metrics_without_a_policy_begin_with_the_retention(self) -> None:
        store(("vm-1", TODAY, 1.0))
        moment = now()
        assert begin(Metric.objects.all()[:1], moment) == moment - timedelta(days=400)

    def test_others_begin_with_their_oldest_sample(self, settings: Any) -> None:
        measured("vm-1", 3, 4, archive_policy=policy())
        measured("vm-2", 1, 2, archive_policy=policy())
        metrics = list(Metric.objects.all())
        day = from_us(noon(1) - DAY // 2)
        assert begin(metrics, now()) == day
        add_rows(Rows(np.array([series()]), np.array([noon(0)]), np.ones(1)))
        assert begin(metrics, now()) == from_us(noon(0)), "in the head"
        assert begin(metrics[1:], now()) == day
        settings.TELEMETRY_RETENTION_DAYS = 0
        Metric.objects.update(archive_policy=None)
        assert begin(metrics, now()) == from_us(noon(0))

    def test_of_a_metric_without_samples_it_is_now(self) -> None:
        measured("vm-1", archive_policy=policy())
        moment = now()
        assert begin(Metric.objects.all()[:1], moment) == moment


class TestWalking:
    @pytest.fixture(autouse=True)
    def _many(self, fresh_store: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retention, "SERIES_AT_ONCE", 2)
        monkeypatch.setattr(retention, "CHUNKS_AT_ONCE", 4)
        for name in ("vm-1", "vm-2", "vm-3"):
            measured(name, *range(10), archive_policy=policy())

    def left(self) -> Mapping[str, list[int]]:
        return {name: days(name) for name in ("vm-1", "vm-2", "vm-3")}

    def test_it_goes_in_small_steps_and_on_from_where_it_was(self) -> None:
        steps = []
        while done := step():
            steps.append(done)
        assert steps == [Step(2, 4), Step(2, 4), Step(2, 4), Step(2, 0), Step(1, 4), Step(1, 2)]
        assert set(map(tuple, self.left().values())) == {(6, 7, 8, 9)}

    def test_a_walk_begins_once_a_day(self) -> None:
        walk()
        measured("vm-1", 20)
        walk()
        assert days() == [6, 7, 8, 9, 20]
        RetentionWalk.objects.update(begun_at=now() - timedelta(hours=23))
        walk()
        assert days() == [6, 7, 8, 9, 20]
        RetentionWalk.objects.update(begun_at=now() - timedelta(hours=25))
        walk()
        assert days() == [9, 20]

    def test_a_run_ends_when_its_time_is_over(self) -> None:
        walk(seconds=0)
        assert RetentionWalk.objects.get().ended_at is None
        assert sum(map(len, self.left().values())) == 26

    def test_a_step_that_is_broken_off_is_done_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(failpoints, "_points", {"retention.before_commit": ("raise", 0)})
        with pytest.raises(failpoints.FailpointError):
            walk()
        assert (sum(map(len, self.left().values())), RetentionWalk.objects.count()) == (30, 0)
        monkeypatch.setattr(failpoints, "_points", {})
        walk()
        assert set(map(tuple, self.left().values())) == {(6, 7, 8, 9)}

    def test_while_one_takes_a_step_others_leave_it_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def elsewhere(_: str) -> None:
            monkeypatch.undo()
            with ThreadPoolExecutor() as pool:
                meanwhile.append(pool.submit(in_a_thread(step)).result())

        meanwhile: list[Any] = []
        monkeypatch.setattr(retention, "failpoint", elsewhere)
        assert step() == Step(2, 4)
        assert meanwhile == [None]

    def test_several_at_once_do_it_once(self) -> None:
        with ThreadPoolExecutor(4) as pool:
            for run in [pool.submit(in_a_thread(walk)) for _ in range(4)]:
                run.result()
        walk()
        assert set(map(tuple, self.left().values())) == {(6, 7, 8, 9)}
        assert RetentionWalk.objects.get().ended_at

    def test_what_is_being_merged_is_left_to_the_next_walk(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither waits for the other."""
        write_chunks, walks = compaction.chunks.write, []

        def walked_before(*asked: Any, **more: Any) -> int:
            with ThreadPoolExecutor() as pool:
                walks.append(pool.submit(in_a_thread(walk)).result(20))
            return write_chunks(*asked, **more)

        monkeypatch.setattr(compaction.chunks, "write", walked_before)
        assert merge() == 30
        assert walks == [None]
        assert set(map(tuple, self.left().values())) == {tuple(range(10))}
        walked()
        assert set(map(tuple, self.left().values())) == {(6, 7, 8, 9)}


def test_a_look_at_each_series_reads_the_key_not_the_table() -> None:
    """So that a walk of a million series stays cheap."""
    measured("vm-1", *range(3))
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        try:
            for statement, asked in (
                (retention._BY_CLOCK, [[1, 2], now(), 9]),
                (retention._BY_POLICY, [[1, 2], [1, 2], 9]),
            ):
                cursor.execute(f"EXPLAIN {statement}", asked)
                plan = "\n".join(row for (row,) in cursor.fetchall())
                assert "meters_chunk_pkey" in plan
                assert "Seq Scan on meters_chunk" not in plan
        finally:
            cursor.execute("RESET enable_seqscan; RESET enable_bitmapscan")
