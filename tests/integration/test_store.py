"""The store on a real PostgreSQL: identity, revisions, bounds, events, reports, quarantine."""

from __future__ import annotations

import threading
import uuid
from contextlib import closing
from datetime import timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
from django.db import OperationalError, connection, transaction

from meters import wire
from meters.models import (
    CatalogueEpoch,
    Event,
    HeadSample,
    IngestMinute,
    Metric,
    PollReport,
    Quarantine,
    Resource,
    ResourceRevision,
    Source,
)
from meters.store import write
from meters.store.head import copy_rows
from meters.store.read import latest_points, read_points
from meters.store.write import store_batch, store_batches
from telemetry_site.clock import from_us, now_us, to_us
from telemetry_site.prepared import byte_rows
from tests.support.batches import SECOND, batch_of, event, report, resource

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]


@pytest.fixture
def now() -> int:
    return now_us() // SECOND * SECOND


def series(meter: str, name: str = "vm-1") -> int:
    return Metric.objects.get(name=meter, resource__original_id=name).pk


def test_a_batch_makes_resources_metrics_and_points(now: int) -> None:
    one, other = resource("vm-1"), resource("vm-2", project_id="p2")
    result = store_batch(batch_of((one, "cpu", 1.5, now), (other, "cpu", 2.5, now - SECOND)))

    assert (result.samples, result.status, result.rejected) == (2, "stored", 0)
    stored = Resource.objects.get(original_id="vm-2")
    assert (stored.project_id, stored.type, stored.display_name) == (
        "p2",
        "instance",
        "name of vm-2",
    )
    points = read_points([series("cpu", "vm-2"), series("cpu", "vm-1")])
    assert points.index.tolist() == [0, 1]
    assert points.timestamps.tolist() == [now - SECOND, now]
    assert points.values.tolist() == [2.5, 1.5]


def test_the_value_stored_last_wins(now: int) -> None:
    store_batch(batch_of((resource(), "cpu", 1.0, now), (resource(), "cpu", 3.0, now - SECOND)))
    store_batch(batch_of((resource(), "cpu", 2.0, now)))

    points = read_points([series("cpu")])
    assert points.timestamps.tolist() == [now - SECOND, now]
    assert points.values.tolist() == [3.0, 2.0]


def test_a_batch_delivered_twice_changes_nothing(now: int) -> None:
    batch = batch_of(
        (resource(), "cpu", 1.0, now), reports=[report(slot=now)], events=[event("m-1")]
    )
    first, second = store_batch(batch), store_batch(batch)

    assert (first.events, second.events, second.duplicates) == (1, 0, 1)
    assert len(read_points([series("cpu")]).values) == 1
    assert (PollReport.objects.count(), Event.objects.count()) == (1, 1)
    assert ResourceRevision.objects.count() == 1


def test_reading_is_half_open_and_sorted(now: int) -> None:
    times = [now - k * SECOND for k in (3, 1, 2, 0)]
    store_batch(batch_of(*[(resource(), "cpu", float(at - now), at) for at in times]))

    points = read_points([series("cpu")], from_us(now - 2 * SECOND), from_us(now))
    assert points.timestamps.tolist() == [now - 2 * SECOND, now - SECOND]


def test_values_come_back_bit_for_bit(now: int) -> None:
    values = [-0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, float(2**53)]
    store_batch(batch_of(*[(resource(), "v", v, now - k * SECOND) for k, v in enumerate(values)]))

    read = read_points([series("v")]).values[::-1]
    assert read.tobytes() == np.array(values).tobytes()


def test_many_series_read_together_are_what_each_row_says(now: int) -> None:
    """Thrice 3 000 samples over the same 40 series and 50 times: overwritten, out of order."""
    random = Random(5)
    for _ in range(3):
        names = [f"vm-{random.randrange(40)}" for _ in range(3000)]
        times = [now - random.randrange(50) * SECOND for _ in names]
        drawn = zip(names, times, strict=True)
        store_batch(batch_of(*((resource(n), "cpu", random.gauss(0, 9), at) for n, at in drawn)))
    ids = list(Metric.objects.values_list("pk", flat=True))
    random.shuffle(ids)
    with connection.cursor() as cursor:
        cursor.execute("SELECT series_id, timestamp, value FROM meters_head_0 ORDER BY ctid")
        rows = cursor.fetchall()
    newest = {(ids.index(pk), to_us(at)): value for pk, at, value in rows}

    points = read_points(ids)
    read = zip(points.index.tolist(), points.timestamps.tolist(), strict=True)
    assert len(rows) == 9000
    assert dict(zip(read, points.values.tolist(), strict=True)) == newest
    assert points.index.tolist() == sorted(points.index.tolist())


def test_latest_points_finds_old_series_too(now: int) -> None:
    hour = 3600 * SECOND
    store_batch(batch_of((resource(), "new", 1.0, now), (resource(), "new", 2.0, now - SECOND)))
    store_batch(batch_of((resource(), "old", 3.0, now - 5 * hour)))
    ids = [series("new"), series("old"), 999_999_999]

    assert latest_points(ids) == {
        ids[0]: (from_us(now), 1.0),
        ids[1]: (from_us(now - 5 * hour), 3.0),
    }
    assert list(latest_points(ids, within=timedelta(hours=2))) == [ids[0]]


def test_changed_metadata_opens_a_revision_from_the_sample_on(now: int) -> None:
    store_batch(batch_of((resource(), "cpu", 1.0, now - 20 * SECOND)))
    for at in (10, 5):
        renamed = resource(metadata={"display_name": "renamed"})
        store_batch(batch_of((renamed, "cpu", 1.0, now - at * SECOND)))

    starts = ResourceRevision.objects.order_by("valid_from").values_list("valid_from", flat=True)
    assert list(starts) == [from_us(now - 20 * SECOND), from_us(now - 10 * SECOND)]
    assert Resource.objects.get().display_name == "renamed"


def test_back_to_the_old_metadata_is_a_third_revision(now: int) -> None:
    for at, name in ((3, "a"), (2, "b"), (1, "a"), (0, "a")):
        one = resource(metadata={"display_name": name})
        store_batch(batch_of((one, "cpu", 1.0, now - at * SECOND)))

    assert ResourceRevision.objects.count() == 3
    assert Resource.objects.get().display_name == "a"


def test_volatile_metadata_opens_no_revision(now: int) -> None:
    for at in range(3):
        one = resource(metadata={"display_name": "x", "updated_at": str(at)})
        store_batch(batch_of((one, "cpu", 1.0, now - at * SECOND)))

    assert ResourceRevision.objects.count() == 1


def test_a_late_batch_of_the_same_metadata_only_backdates_the_first_revision(now: int) -> None:
    for at in (0, 10, 5):
        store_batch(batch_of((resource(), "cpu", 1.0, now - at * SECOND)))

    revision = ResourceRevision.objects.get()
    one = Resource.objects.get()
    assert revision.valid_from == one.started_at == one.revision_start == from_us(now - 10 * SECOND)


def test_a_late_batch_of_other_metadata_is_filed_at_its_time_only(now: int) -> None:
    store_batch(batch_of((resource(metadata={"n": "a"}), "cpu", 1.0, now - 20 * SECOND)))
    store_batch(batch_of((resource(metadata={"n": "b"}), "cpu", 1.0, now)))
    store_batch(batch_of((resource(metadata={"n": "c"}), "cpu", 1.0, now - 10 * SECOND)))

    filed = ResourceRevision.objects.order_by("valid_from").values_list("metadata", flat=True)
    assert [metadata["n"] for metadata in filed] == ["a", "c", "b"]
    assert Resource.objects.get().metadata == {"n": "b"}


def test_a_late_batch_that_changes_a_revision_to_what_the_next_one_says(now: int) -> None:
    for at, name in ((20, "a"), (10, "b"), (20, "b")):
        one = resource(metadata={"display_name": name})
        store_batch(batch_of((one, "cpu", 1.0, now - at * SECOND)))

    revision = ResourceRevision.objects.get()
    assert revision.metadata == {"display_name": "b"}
    assert revision.valid_from == from_us(now - 20 * SECOND)
    assert Resource.objects.get().revision_start == revision.valid_from


def test_another_process_sees_a_changed_revision_through_the_epoch(now: int) -> None:
    """The cache of this process must not hide a revision that another one has opened."""
    store_batch(batch_of((resource(metadata={"n": "a"}), "cpu", 1.0, now - 3 * SECOND)))
    ours = write._cache
    write._cache = type(ours)()  # another collector process
    store_batch(batch_of((resource(metadata={"n": "b"}), "cpu", 1.0, now - 2 * SECOND)))
    write._cache = ours
    store_batch(batch_of((resource(metadata={"n": "a"}), "cpu", 1.0, now - SECOND)))

    filed = ResourceRevision.objects.order_by("valid_from").values_list("metadata", flat=True)
    assert [metadata["n"] for metadata in filed] == ["a", "b", "a"]


@pytest.mark.parametrize("known", [False, True])
def test_a_revision_that_comes_back_within_one_transaction_is_one_of_its_own(
    now: int, known: bool
) -> None:
    """The third batch's catalogue is, byte for byte, one that the transaction has resolved."""
    if known:
        store_batch(batch_of((resource(metadata={"n": "a"}), "cpu", 1.0, now - 9 * SECOND)))
    store_batches(
        [
            batch_of((resource(metadata={"n": name}), "cpu", 1.0, now - age * SECOND))
            for name, age in (("a", 3), ("b", 2), ("a", 1))
        ]
    )
    filed = ResourceRevision.objects.order_by("valid_from").values_list("metadata", flat=True)
    assert [metadata["n"] for metadata in filed] == ["a", "b", "a"]


def test_a_deleted_resource_is_made_again_by_its_next_sample(now: int) -> None:
    store_batch(batch_of((resource(), "cpu", 1.0, now - SECOND)))
    Resource.objects.all().delete()
    CatalogueEpoch.objects.update(epoch=CatalogueEpoch.objects.get().epoch + 1)
    store_batch(batch_of((resource(), "cpu", 2.0, now)))

    assert read_points([series("cpu")]).values.tolist() == [2.0]


def test_a_changed_unit_is_the_metric_s_unit_from_then_on(now: int) -> None:
    store_batch(batch_of((resource(), "memory.usage", 512.0, now - SECOND)))
    from pollers.batch import BatchBuilder

    building = BatchBuilder("compute.h1")
    building.add(resource(), "memory.usage", 512.0, now, "MiB")
    store_batches(building.batches())

    assert Metric.objects.get().unit == "MiB"
    assert len(read_points([series("memory.usage")]).values) == 2


def test_what_a_project_posts_never_touches_another_s_resource(now: int) -> None:
    store_batch(batch_of((resource(), "cpu", 1.0, now)))
    store_batch(batch_of((resource(project_id="p2"), "cpu", 666.0, now)), creator="p2")

    mine = Metric.objects.get(resource__creator="")
    theirs = Metric.objects.get(resource__creator="p2")
    assert read_points([mine.pk]).values.tolist() == [1.0]
    assert read_points([theirs.pk]).values.tolist() == [666.0]


def test_a_uuid_keeps_its_resource_id(now: int) -> None:
    name = str(uuid.uuid4())
    store_batch(batch_of((resource(name), "cpu", 1.0, now)))
    store_batch(batch_of((resource(name), "cpu", 1.0, now)), creator="p2")

    assert str(Resource.objects.get(creator="").uuid) == name
    assert str(Resource.objects.get(creator="p2").uuid) != name


def test_samples_out_of_bounds_in_time_go_to_quarantine_and_the_rest_is_stored(now: int) -> None:
    batch = batch_of(
        (resource(), "cpu", 1.0, now),
        (resource(), "cpu", 2.0, now + 3600 * SECOND),
        (resource(), "cpu", 3.0, 1 * SECOND),
    )
    result = store_batch(batch)

    assert (result.samples, result.rejected, result.status) == (1, 2, "partial")
    reasons = dict(Quarantine.objects.values_list("reason", "detail"))
    assert set(reasons) == {"timestamp_future", "timestamp_ancient"}
    assert "samples.timestamp[1]" in reasons["timestamp_future"]
    kept = wire.decode_batch(bytes(Quarantine.objects.get(reason="timestamp_future").body))
    assert kept.samples is not None
    assert wire.decode_columns(kept.samples).value.tolist() == [2.0]


def test_a_sample_five_minutes_ahead_is_allowed(now: int) -> None:
    assert store_batch(batch_of((resource(), "cpu", 1.0, now + 290 * SECOND))).rejected == 0


def test_an_index_outside_the_catalogue_is_refused_and_nothing_is_written(now: int) -> None:
    good = batch_of((resource(), "cpu", 1.0, now))
    assert good.samples is not None
    bad = wire.SampleBatch(
        good.samples.catalogue, b"\x07\0\0\0", good.samples.timestamp, good.samples.value
    )
    with pytest.raises(wire.WireError, match=r"samples.index\[0\]: 7, but the catalogue has 1"):
        store_batch(wire.Batch(1, wire.new_batch_id(), "a", now, samples=bad))
    assert (HeadSample.objects.count(), Resource.objects.count()) == (0, 0)


def test_a_rolled_back_transaction_leaves_nothing_in_the_cache(now: int) -> None:
    """Ids made in it do not exist; the next batch must make them anew."""
    bad = wire.PollReport("compute", "x", now, now, 0.1, 1, outcome="nonsense" * 9)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="too long"):
        store_batch(batch_of((resource(), "cpu", 1.0, now), reports=[bad]))
    store_batch(batch_of((resource(), "cpu", 2.0, now)))

    assert read_points([series("cpu")]).values.tolist() == [2.0]


def test_events_keep_the_types_of_their_traits(now: int) -> None:
    traits = [
        wire.Trait("size", "int", 3),
        wire.Trait("ratio", "float", 0.5),
        wire.Trait("launched_at", "datetime", now),
        wire.Trait("project_id", "text", "p1"),
    ]
    store_batch(batch_of((resource(), "cpu", 1.0, now), events=[event("m-1", *traits)]))

    stored = Event.objects.get()
    assert stored.project_id == "p1"
    assert stored.traits["launched_at"] == from_us(now).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert stored.trait_types == {
        "size": "int", "ratio": "float", "launched_at": "datetime", "project_id": "text",
    }  # fmt: skip
    assert Event.objects.filter(traits__contains={"size": 3}).count() == 1


def test_the_newest_report_describes_its_source_in_any_order(now: int) -> None:
    failed = report(slot=now, outcome="error", errors=["libvirt does not answer"], samples=0)
    store_batch(batch_of((resource(), "cpu", 1.0, now), reports=[failed]))
    store_batch(batch_of((resource(), "cpu", 1.0, now), reports=[report(slot=now - 10 * SECOND)]))

    source = Source.objects.get()
    assert (source.outcome, source.errors) == ("error", ["libvirt does not answer"])
    assert source.last_slot == from_us(now)
    assert PollReport.objects.count() == 2


def test_two_reports_of_one_source_in_one_batch_are_two_rows(now: int) -> None:
    reports = [report(slot=now - SECOND), report(slot=now)]
    store_batch(batch_of((resource(), "cpu", 1.0, now), reports=reports))

    assert Source.objects.get().last_slot == from_us(now)
    assert PollReport.objects.count() == 2


def test_rejects_reach_the_quarantine_once(now: int) -> None:
    reject = wire.Reject("bad_json", "line 1", b"{", source="bus", headers={"routing_key": "x"})
    batch = batch_of((resource(), "cpu", 1.0, now), rejects=[reject])
    assert store_batch(batch).rejected == 1
    store_batch(batch)

    row = Quarantine.objects.get()
    assert (row.reason, row.form, bytes(row.body)) == ("bad_json", "notification", b"{")


def test_the_minute_counts_what_was_stored(now: int) -> None:
    store_batches([batch_of((resource(), "cpu", 1.0, now - k), events=[event()]) for k in range(3)])

    row = IngestMinute.objects.get()
    assert (row.batches, row.samples, row.events) == (3, 3, 3)


def test_many_collectors_at_once_make_each_resource_and_revision_once(now: int) -> None:
    """Twenty threads, each with caches of its own in effect, store overlapping new resources."""
    errors: list[BaseException] = []
    start = threading.Barrier(20)

    def work(number: int) -> None:
        names = [f"vm-{k}" for k in range(30)]
        if number % 2:
            names.reverse()
        rows = [
            (resource(name, metadata={"host": "b"}), "cpu", float(number), now - number)
            for name in names
        ]
        start.wait()
        try:
            store_batch(batch_of(*rows))
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert (Resource.objects.count(), Metric.objects.count()) == (30, 30)
    assert ResourceRevision.objects.count() == 30
    ids = list(Metric.objects.values_list("pk", flat=True))
    assert len(read_points(ids).values) == 600


def test_two_spellings_of_one_uuid_are_two_resources(now: int) -> None:
    name = "0bd1ab39-c5b5-4b68-9c0f-e24ddd17e7a4"
    store_batch(batch_of((resource(name), "cpu", 1.0, now)))
    store_batch(batch_of((resource(name.upper()), "cpu", 2.0, now)))

    found = {row.original_id: str(row.uuid) for row in Resource.objects.all()}
    assert found[name] == name
    assert found[name.upper()] != name


def test_two_collectors_with_the_same_batches_in_another_order_do_not_deadlock(now: int) -> None:
    """A deadlock costs each a second, and the one that is chosen begins anew."""
    faults: list[Exception] = []

    def work(start: threading.Barrier, batches: list[wire.Batch]) -> None:
        try:
            start.wait(10)
            store_batches(batches)
        except Exception as error:
            faults.append(error)
        finally:
            connection.close()

    for number in range(10):
        batches = [
            batch_of(
                *((resource(f"vm-{number}-{n}-{k}"), "cpu", 1.0, now) for k in range(40)),
                agent_id=f"compute.h{n}",
                events=[event(f"event-{number}-{n}")],
                reports=[report(f"qemu-{n}")],
            )
            for n in range(6)
        ]
        start = threading.Barrier(2)
        both = [
            threading.Thread(target=work, args=(start, order)) for order in (batches, batches[::-1])
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(30)
    assert faults == []


class TestErrorsAreDjangos:
    """The driver's own are not those that tasks wait out and pages answer with a 503."""

    def test_when_reading(self) -> None:
        asked = "SELECT 'x'::bytea, 1 FROM pg_sleep(5)"
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 10")
            with pytest.raises(OperationalError, match="timeout"):
                byte_rows(cursor, asked)
            transaction.set_rollback(True)

    def test_when_writing(self, now: int) -> None:
        def killed(cursor: Any, slot: int, rows: Any) -> None:
            cursor.execute("SELECT pg_backend_pid()")
            with closing(connection.copy()) as other, other.cursor() as elsewhere:
                elsewhere.execute("SELECT pg_terminate_backend(%s)", cursor.fetchone())
            copy_rows(cursor, slot, rows)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(write, "copy_rows", killed)
            with pytest.raises(OperationalError):
                store_batch(batch_of((resource(), "cpu", 1.0, now)))
        store_batch(batch_of((resource(), "cpu", 1.0, now)))
        assert HeadSample.objects.count() == 1
