"""Metrics and resources are deleted with all that is stored of them, whatever goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from meters.models import (
    STANDALONE,
    CatalogueEpoch,
    Chunk,
    DeletedSeries,
    HeadSample,
    Metric,
    Resource,
    ResourceRevision,
)
from meters.store import compaction, deletion, head, write
from meters.store.catalogue import lock_catalogue
from meters.store.compaction import compact, merge, tend
from meters.store.deletion import Swept, delete_metrics, delete_resources, sweep_deleted
from meters.store.write import store_batch
from telemetry_site import failpoints
from telemetry_site.clock import now_us
from tests.support.batches import SECOND, batch_of, resource
from tests.support.storing import (
    DAY,
    in_a_thread,
    pack,
    series,
    store,
    stored,
    wait_until_somebody_waits_for_a_lock,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]


@pytest.fixture
def noon() -> int:
    """Of the day before yesterday, so that its chunks are due for merging."""
    return (now_us() // DAY - 2) * DAY + DAY // 2


def pk_of(name: str = "vm-1") -> int:
    return Resource.objects.get(original_id=name).pk


def epoch() -> int:
    return CatalogueEpoch.objects.get().epoch


def left() -> tuple[int, int]:
    """Chunks, and series that are noted as deleted."""
    return Chunk.objects.count(), DeletedSeries.objects.count()


class TestDeleting:
    def test_a_metric_goes_with_its_samples_in_head_and_chunks(self, noon: int) -> None:
        store(("vm-1", noon, 1.0), ("vm-2", noon, 2.0))
        pack()
        store(("vm-1", noon + 1, 3.0), ("vm-2", noon + 1, 4.0))
        before = epoch()
        assert delete_metrics([series("vm-1"), 10**9]) == 1
        assert epoch() > before
        assert Metric.objects.get().resource.original_id == "vm-2"
        assert Resource.objects.count() == 2, "what was measured stays"
        assert sweep_deleted() == Swept(series=1, chunks=1)
        pack()
        assert stored("vm-2") == {noon: 2.0, noon + 1: 4.0}
        assert (left(), HeadSample.objects.count()) == ((2, 0), 0)

    def test_a_resource_goes_with_its_metrics_and_its_history(self, noon: int) -> None:
        store_batch(
            batch_of(*((resource("vm-1"), meter, 1.0, noon) for meter in ("cpu", "memory")))
        )
        store(("vm-2", noon, 2.0))
        pack()
        assert delete_resources([pk_of("vm-1"), 10**9]) == 1
        assert Resource.objects.get().original_id == "vm-2"
        assert ResourceRevision.objects.get().resource == Resource.objects.get()
        assert sweep_deleted() == Swept(series=2, chunks=2)
        assert stored("vm-2") == {noon: 2.0}

    def test_the_stand_in_of_a_metric_without_resource_goes_with_it(self, noon: int) -> None:
        store(("vm-1", noon, 1.0), ("vm-2", noon, 2.0))
        Resource.objects.update(type=STANDALONE)
        store_batch(batch_of((resource("vm-2", type=STANDALONE), "memory", 1.0, noon)))
        delete_metrics(list(Metric.objects.filter(name="cpu").values_list("pk", flat=True)))
        assert Resource.objects.get().original_id == "vm-2", "it has another metric"
        assert ResourceRevision.objects.filter(resource__original_id="vm-2").exists()

    def test_nothing_to_delete_is_no_error(self) -> None:
        assert (delete_metrics([]), delete_resources([]), sweep_deleted()) == (0, 0, None)

    def test_its_next_sample_makes_it_anew_and_is_the_only_one(self, noon: int) -> None:
        store(("vm-1", noon, 1.0))
        pack()
        store(("vm-1", noon + 1, 2.0))
        for delete in (lambda: delete_metrics([series()]), lambda: delete_resources([pk_of()])):
            delete()
            store(("vm-1", noon + 2, 3.0))
            assert stored() == {noon + 2: 3.0}
        tend()
        pack()
        assert stored() == {noon + 2: 3.0}

    def test_the_periodic_job_sweeps(self, noon: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deletion, "CHUNKS_AT_ONCE", 2)
        monkeypatch.setattr(deletion, "SERIES_AT_ONCE", 3)
        store(*((f"vm-{n}", noon + day * DAY, 1.0) for n in range(4) for day in range(2)))
        pack()
        delete_resources([pk_of(f"vm-{n}") for n in range(4)])
        assert left() == (8, 4)
        tend()
        assert left() == (0, 0)


class TestAtOnce:
    def test_a_chunk_of_a_compactor_that_had_looked_before(
        self, noon: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither it nor the note of its series is left; a sweep meanwhile changes nothing."""
        store(("vm-1", noon, 1.0), ("vm-2", noon, 2.0))
        assert head.rotate(at_once=True)
        looked, swept = compaction._existing, []

        def then_deleted(*asked: Any) -> Any:
            kept = looked(*asked)
            with ThreadPoolExecutor() as pool:
                pool.submit(in_a_thread(lambda: delete_metrics([series("vm-1")]))).result()
                swept.append(pool.submit(in_a_thread(sweep_deleted)).result())
            return kept

        monkeypatch.setattr(compaction, "_existing", then_deleted)
        assert compact() is not None
        assert (swept, left()) == ([None], (2, 1))
        assert sweep_deleted() == Swept(series=1, chunks=1)
        assert (left(), stored("vm-2")) == ((1, 0), {noon: 2.0})

    def test_a_chunk_that_is_merged_meanwhile(
        self, noon: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for value in (1.0, 2.0):
            store(("vm-1", noon, value))
            pack()
        write_chunks, swept = compaction.chunks.write, []

        def deleted_before(*asked: Any, **more: Any) -> int:
            with ThreadPoolExecutor() as pool:
                pool.submit(in_a_thread(lambda: delete_metrics([series()]))).result()
                swept.append(pool.submit(in_a_thread(sweep_deleted)).result())
            return write_chunks(*asked, **more)

        monkeypatch.setattr(compaction.chunks, "write", deleted_before)
        assert merge() == 1
        assert (swept, left()) == ([None], (1, 1))
        assert sweep_deleted() == Swept(series=1, chunks=1)

    @pytest.mark.parametrize("meter", ["memory", "cpu"])
    def test_a_collector_that_knows_a_resource_which_is_deleted_before_it_has_the_lock(
        self, noon: int, meter: str
    ) -> None:
        """The samples are stored under the resource as it is made anew, none is quarantined."""
        store(("vm-1", noon, 1.0), ("vm-9", noon, 1.0))
        batch = batch_of(
            (resource(), meter, 2.0, noon + SECOND), (resource("vm-2"), "cpu", 3.0, noon)
        )
        with ThreadPoolExecutor() as pool:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    lock_catalogue(cursor)
                storing = pool.submit(in_a_thread(lambda: store_batch(batch)))
                wait_until_somebody_waits_for_a_lock()
                delete_resources([pk_of()])
            assert storing.result().status == "stored"
        assert stored() == {noon + SECOND: 2.0}
        assert stored("vm-2") == {noon: 3.0}

    def test_two_that_delete_the_same(self, noon: int) -> None:
        store(*((f"vm-{n}", noon, 1.0) for n in range(50)))
        pack()
        pks = [pk_of(f"vm-{n}") for n in range(50)]
        with ThreadPoolExecutor(4) as pool:
            deleted = [pool.submit(in_a_thread(lambda: delete_resources(pks))) for _ in range(4)]
            assert sorted(one.result() for one in deleted) == [0, 0, 0, 50]
            swept = [pool.submit(in_a_thread(sweep_deleted)) for _ in range(4)]
            assert sum(one.result().chunks for one in swept if one.result()) == 50
        assert left() == (0, 0)

    def test_another_thread_that_empties_the_cache_is_not_noticed(
        self, noon: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store(("vm-1", noon, 1.0))
        load = write.Resolver._load_resources

        def then_emptied(self: write.Resolver, asked: Any) -> None:
            load(self, asked)
            write._cache.enter(10**6)

        monkeypatch.setattr(write.Resolver, "_load_resources", then_emptied)
        store_batch(batch_of(*((resource(), meter, 2.0, noon + 1) for meter in ("cpu", "memory"))))
        assert Resource.objects.get().metrics.count() == 2


@pytest.mark.parametrize(
    ("point", "work"),
    [
        ("deletion.before_commit", lambda: delete_metrics([series()])),
        ("deletion.before_commit", lambda: delete_resources([pk_of()])),
        ("sweeper.before_commit", lambda: sweep_deleted()),
    ],
)
def test_a_step_that_is_broken_off_changes_nothing_and_is_done_by_the_next(
    noon: int, monkeypatch: pytest.MonkeyPatch, point: str, work: Callable[[], Any]
) -> None:
    store(("vm-1", noon, 1.0))
    pack()
    if point.startswith("sweeper"):
        delete_metrics([series()])
    before = left(), Metric.objects.count()
    monkeypatch.setattr(failpoints, "_points", {point: ("raise", 0)})
    with pytest.raises(failpoints.FailpointError):
        work()
    assert (left(), Metric.objects.count()) == before
    monkeypatch.undo()
    work()
    sweep_deleted()
    assert (left(), Metric.objects.count()) == ((0, 0), 0)
