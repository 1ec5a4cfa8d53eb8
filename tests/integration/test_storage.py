"""The storage page, `store_info` and the metrics tell the same figures, at a price that stays."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY

from meters.models import HeadSlot, IngestMinute, Metric, StoreSurvey
from meters.store import compaction, surveys
from meters.store.deletion import delete_metrics
from meters.store.info import filed_survey
from meters.store.surveys import keep_surveyed, survey
from meters.store.write import store_batch
from meters.tasks import survey_store
from telemetry_site.clock import now, now_us
from tests.browser import seed
from tests.support.batches import batch_of, resource
from tests.support.storing import DAY, in_a_thread, pack, run, series, store

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]


@pytest.fixture
def noon() -> int:
    return (now_us() // DAY - 2) * DAY + DAY // 2


def gauge(name: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(f"telemetry_store_{name}", labels)
    assert value is not None
    return value


def long_ago() -> None:
    """So that the next survey is due."""
    StoreSurvey.objects.update(taken_at=now() - timedelta(hours=1))


@pytest.fixture
def filled(noon: int) -> None:
    """Three packed samples of `cpu` in two series, two of `memory` in the head."""
    store(("vm-1", noon, 1.0), ("vm-1", noon + 1, 2.0), ("vm-2", noon, 2.0))
    pack()
    store_batch(batch_of(*((resource(), "memory", 1.0, noon + n) for n in range(2))))


class TestSurvey:
    def test_of_an_empty_store(self) -> None:
        found = survey()
        assert (found.exact, found.series, found.chunks, found.oldest) == (True, 0, 0, None)
        assert found.meters == []

    def test_of_a_small_one_is_exact(self, filled: None, noon: int) -> None:
        found = survey()
        assert found.exact
        assert (found.series, found.head_samples, found.chunk_samples) == (3, 2, 3)
        assert (found.chunks, found.unmerged) == (2, 2)
        assert [(one.name, one.series, one.samples) for one in found.meters] == [
            ("cpu", 2, 3), ("memory", 1, 2),
        ]  # fmt: skip
        assert found.oldest is not None
        assert found.newest is not None
        assert (found.newest - found.oldest) / timedelta(hours=1) == pytest.approx(12)

    def test_samples_of_a_deleted_metric_count_until_they_are_swept(self, filled: None) -> None:
        delete_metrics([series("vm-2")])
        found = survey()
        assert (found.series, found.chunk_samples) == (2, 3)
        assert ("cpu", 1, 2) in [(one.name, one.series, one.samples) for one in found.meters]

    def test_of_a_large_one_is_near(self, noon: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """A tenth of the pages of the chunks, a third of those of the head."""
        for packed in (True, False):
            for k in (1, 2):
                store(*((f"vm-{n}", noon + k, 1.0) for n in range(4_000)))
            if packed:
                pack()
        whole = survey(whole=True)
        assert (whole.chunks, whole.chunk_samples, whole.head_samples) == (4_000, 8_000, 8_000)
        monkeypatch.setattr(surveys, "CHUNK_PAGES", pages("meters_chunk") // 3)
        monkeypatch.setattr(surveys, "SLOT_PAGES", pages("meters_head_1") // 3)
        some = [survey() for _ in range(5)]
        assert not any(found.exact for found in some)
        for name in ("chunks", "chunk_samples", "head_samples"):
            middle = sorted(getattr(found, name) for found in some)[2]
            assert middle == pytest.approx(getattr(whole, name), rel=0.5), name
        assert {found.series for found in some} == {4_000}


def pages(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s) / 8192", [table])
        return int(cursor.fetchone()[0])


class TestTask:
    def test_it_files_the_survey_and_tells_the_metrics(self, filled: None) -> None:
        survey_store.run()
        filed = filed_survey()
        assert filed is not None
        assert filed._replace(taken_at=None) == survey()._replace(taken_at=None)  # type: ignore[arg-type]
        assert (gauge("series"), gauge("samples", place="head")) == (3, 2)
        assert (gauge("samples", place="chunks"), gauge("chunks", state="unmerged")) == (3, 2)
        assert (gauge("chunks", state="merged"), gauge("meter_samples", meter="cpu")) == (0, 3)
        assert gauge("oldest_timestamp_seconds") % 86_400 == 0

    def test_a_survey_is_due_after_a_minute_or_a_hundred_times_its_length(
        self, filled: None
    ) -> None:
        assert keep_surveyed()
        assert keep_surveyed() is None
        StoreSurvey.objects.update(taken_at=now() - timedelta(seconds=61))
        assert keep_surveyed()
        StoreSurvey.objects.update(taken_at=now() - timedelta(minutes=3), took=timedelta(seconds=2))
        assert keep_surveyed() is None
        StoreSurvey.objects.update(taken_at=now() - timedelta(minutes=4))
        assert keep_surveyed()

    def test_several_at_once_take_one(self, filled: None) -> None:
        with ThreadPoolExecutor() as pool:
            taken = [pool.submit(in_a_thread(keep_surveyed)) for _ in range(4)]
            assert sum(one.result(30) is not None for one in taken) == 1
        assert StoreSurvey.objects.count() == 1

    def test_a_meter_that_is_no_more_among_the_first_is_nought(self, filled: None) -> None:
        keep_surveyed()
        delete_metrics(list(Metric.objects.filter(name="cpu").values_list("pk", flat=True)))
        long_ago()
        keep_surveyed()
        assert gauge("meter_samples", meter="cpu") == 0

    def test_only_the_first_meters_are_told(self, noon: int) -> None:
        store_batch(batch_of(*((resource(), f"m{n:02}", 1.0, noon) for n in range(30))))
        found = keep_surveyed()
        assert found is not None
        assert [one.name for one in found.meters] == [f"m{n:02}" for n in range(20)]


class TestPage:
    @pytest.fixture
    def page(self) -> Client:
        seed.users()
        client = Client()
        assert client.login(username="operator", password="correct horse battery")
        return client

    def test_it_tells_what_the_command_and_the_metrics_tell(
        self, filled: None, page: Client
    ) -> None:
        minute = now().replace(second=0, microsecond=0) - timedelta(minutes=2)
        IngestMinute.objects.create(minute=minute, worker="other", samples=30_000)
        keep_surveyed()
        compaction.tend(seconds=0)
        told = json.loads(run("store_info", "--format", "json"))
        info = page.get("/storage").context["info"]
        same = info.plain() | {"taken_at": None}
        assert json.loads(json.dumps(same, default=str)) == told | {"taken_at": None}
        assert told["ingest_samples_per_s"] == 100
        assert gauge("bytes", place="chunks") == told["chunk_bytes"]
        assert gauge("bytes", place="head") == told["head_bytes"]

    def test_what_it_shows(self, filled: None, page: Client) -> None:
        keep_surveyed()
        text = page.get("/storage").content.decode()
        for part in (
            "Meters with the most samples",
            "cpu",
            "/meter?name=memory",
            "of 6 slots free",
        ):
            assert part in text
        assert "estimates" not in text
        StoreSurvey.objects.update(exact=False)
        assert "estimates" in page.get("/storage").content.decode()

    def test_before_anything_was_counted_or_stored(self, page: Client) -> None:
        text = page.get("/storage").content.decode()
        assert "Nothing has been counted yet" in text
        assert text.count(">free<") == 5
        keep_surveyed()
        assert "No sample is stored yet" in page.get("/storage").content.decode()

    def test_slots_that_wait_are_seen(self, filled: None, page: Client) -> None:
        HeadSlot.objects.filter(state="free", number=3).update(
            state="closed", opened_at=now() - timedelta(hours=3)
        )
        keep_surveyed()
        text = page.get("/storage").content.decode()
        assert ">closed<" in text
        assert ">3 h<" in text

    def test_a_view_reads_no_table_of_samples(self, filled: None, page: Client) -> None:
        keep_surveyed()
        with CaptureQueriesContext(connection) as queries:
            assert page.get("/storage").status_code == 200
        told = [query["sql"] for query in queries]
        assert not [
            sql for sql in told if "FROM meters_chunk" in sql or 'FROM "meters_chunk' in sql
        ]
        assert not [sql for sql in told if "FROM meters_head" in sql and "headslot" not in sql]
        assert not [sql for sql in told if 'FROM "meters_metric"' in sql]


def test_the_command_in_words(filled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    text = run("store_info")
    for part in ("cpu", "memory", "2, of which 2 wait to be merged", "samples/s"):
        assert part in text
    assert "about" not in text
    monkeypatch.setattr(surveys, "CHUNK_PAGES", 1)
    store(*((f"vm-{n}", now_us(), 1.0) for n in range(200)))
    pack()
    assert "about" in run("store_info")
    assert "about" not in run("store_info", "--exact")


def test_a_name_with_markup_is_text(noon: int) -> None:
    store_batch(batch_of((resource(), "[red]x[/red]", 1.0, noon)))
    assert "[red]x[/red]" in run("store_info")
