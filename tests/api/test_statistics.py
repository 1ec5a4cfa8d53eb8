"""Statistics: what they give, their limits, CSV."""

from __future__ import annotations

import csv
import io
import sys
from typing import Any

import numpy as np
import pytest

from meters import columnar
from meters.api import statistics
from meters.models import Metric
from meters.store.write import store_batch
from telemetry_site.clock import from_us, now_us
from tests.api.people import P1, Client
from tests.support.batches import SECOND, batch_of, resource

pytestmark = pytest.mark.django_db
HOUR = 3600 * SECOND
PATH = "/api/statistics"


@pytest.fixture
def start(people: object) -> int:
    """Two machines with a sample each minute of the hour from here on, values 0…59 and 100…159."""
    start = (now_us() // HOUR - 2) * HOUR
    for place, name in enumerate(["vm-1", "vm-2"]):
        one = resource(name, project_id=P1, type=f"type-{place}", metadata={})
        rows = [
            (one, "cpu", 100.0 * place + minute, start + minute * 60 * SECOND)
            for minute in range(60)
        ]
        store_batch(batch_of(*rows))
    return start


def ask(client: Client, start: int, path: str = PATH, **query: Any) -> Any:
    span = {"start": iso(start), "stop": iso(start + HOUR), "granularity": "30m", **query}
    if path == PATH:
        span.setdefault("meter", "cpu")
    return client.fetch(path, **span)


def iso(micros: int) -> str:
    return from_us(micros).isoformat().replace("+00:00", "Z")


def test_one_group_of_all_series(reader: Client, start: int) -> None:
    found = ask(reader, start, aggregation="mean,max,count,95pct,std")
    (group,) = found["groups"]
    assert (group["by"], group["unit"], group["notes"]) == ({}, "B", [])
    assert group["timestamps"] == [iso(start), iso(start + HOUR // 2)]
    values = np.concatenate([np.arange(30.0), np.arange(30.0) + 100])
    assert group["values"]["mean"] == [values.mean(), values.mean() + 30]
    assert group["values"]["max"] == [129, 159]
    assert group["values"]["count"] == [60, 60]
    assert group["values"]["95pct"][0] == pytest.approx(np.percentile(values, 95))
    assert group["values"]["std"][0] == pytest.approx(values.std(ddof=1))


def test_groups_by_each_key(reader: Client, start: int) -> None:
    for key, columns in {
        "resource": {"resource", "resource_id"},
        "metric": {"metric", "resource", "resource_id"},
        "resource_type": {"resource_type"},
    }.items():
        groups = ask(reader, start, groupby=key, granularity="1h")["groups"]
        assert sorted(group["values"]["mean"][0] for group in groups) == [29.5, 129.5]
        assert set(groups[0]["by"]) == columns
    (group,) = ask(reader, start, groupby="meter,project_id")["groups"]
    assert group["by"] == {"meter": "cpu", "project_id": "p1"}


def test_reaggregation_combines_the_series(reader: Client, start: int) -> None:
    found = ask(reader, start, aggregation="mean", reaggregation="sum", granularity="1h")
    assert found["groups"][0]["values"]["mean"] == [29.5 + 129.5]


def test_rates_are_of_each_series_and_know_what_was_before(reader: Client, start: int) -> None:
    found = ask(reader, start, aggregation="rate:mean,rate:count", granularity="30m")
    values = found["groups"][0]["values"]
    assert values["rate:mean"] == [1.0, 1.0]
    assert values["rate:count"] == [58, 60]


@pytest.mark.parametrize("age_h", [3, 40, 24 * 40])
def test_a_rate_knows_a_predecessor_of_any_age(reader: Client, start: int, age_h: int) -> None:
    one = resource("vm-1", project_id=P1, type="type-0", metadata={})
    store_batch(batch_of((one, "cpu", -6.0, start - age_h * HOUR)))
    found = ask(reader, start, aggregation="rate:sum,rate:count", groupby="resource")
    values = next(group["values"] for group in found["groups"] if "vm-1" in str(group["by"]))
    assert values["rate:count"] == [30, 30]
    assert values["rate:sum"] == [6.0 + 29, 30.0]


def test_one_metric(reader: Client, start: int) -> None:
    metric = Metric.objects.get(resource__original_id="vm-2")
    path = f"/api/metrics/{metric.uuid}/statistics"
    (group,) = ask(reader, start, path, aggregation="first,last", granularity="1h")["groups"]
    assert group["values"] == {"first": [100.0], "last": [159.0]}
    assert group["by"]["metric"] == str(metric.uuid)


def test_without_parameters_it_is_the_last_day_in_five_minutes(reader: Client, start: int) -> None:
    found = reader.fetch(f"{PATH}?meter=cpu")
    assert (found["granularity_s"], found["aggregation"]) == (300.0, ["mean"])
    assert len(found["groups"][0]["timestamps"]) == 12


def test_many_small_reads_give_the_same_as_one(
    reader: Client, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"aggregation": "mean,99pct,rate:sum,count", "granularity": "5m", "groupby": "resource"}
    whole = ask(reader, start, **query)
    monkeypatch.setattr(statistics, "SERIES_A_READ", 1)
    monkeypatch.setattr(statistics, "RAW_A_READ", 1)
    assert ask(reader, start, **query) == whole


def test_an_overflow_is_null_with_a_note(reader: Client, start: int) -> None:
    one = resource("big", project_id=P1)
    rows = [(one, "big", 1e308, start + place * SECOND) for place in range(2)]
    store_batch(batch_of(*rows))
    found = ask(reader, start, meter="big", aggregation="sum,max", granularity="1h")
    (group,) = found["groups"]
    assert group["values"] == {"sum": [None], "max": [1e308]}
    assert group["notes"] == ["sum: 1 values overflow a float and are null"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"aggregation": "average"}, "aggregation"),
        ({"aggregation": "mean,mean"}, "aggregation"),
        ({"aggregation": "100pct"}, "aggregation"),
        ({"aggregation": ",".join(f"{n}pct" for n in range(1, 12))}, "aggregation"),
        ({"granularity": "0"}, "granularity"),
        ({"granularity": "-5"}, "granularity"),
        ({"granularity": "5x"}, "granularity"),
        ({"granularity": "1e3"}, "granularity"),
        ({"granularity": "0.0000001"}, "granularity"),
        ({"granularity": "999999999d"}, "granularity"),
        ({"reaggregation": "rate:mean"}, "reaggregation"),
        ({"groupby": "user_id"}, "groupby"),
        ({"groupby": "meter,meter"}, "groupby"),
        ({"start": "2026-01-02T00:00:00Z", "stop": "2026-01-01T00:00:00Z"}, "stop"),
        ({"metric": "5"}, "metric"),
    ],
)
def test_bad_parameters_are_named(reader: Client, query: dict[str, str], field: str) -> None:
    found = reader.refused(PATH, **{"meter": "cpu", **query})
    assert found["errors"][0]["field"] == field


def test_the_meter_is_required(reader: Client) -> None:
    assert reader.refused(PATH)["errors"][0]["field"] == "meter"


class TestLimits:
    def test_points(self, reader: Client, start: int) -> None:
        found = reader.refused(PATH, meter="cpu", start="2026-01-01", granularity="10s")
        assert found["code"] == "limit_exceeded"
        assert "1000000" in found["detail"]
        assert "granularity of" in found["detail"]

    def test_taking_the_proposed_granularity_helps(self, reader: Client, start: int) -> None:
        query = {"meter": "cpu", "start": "2026-01-01", "stop": "2026-11-25"}
        text = reader.refused(PATH, granularity="10s", **query)["detail"]
        proposed = text.partition("granularity of ")[2].partition(" s")[0]
        reader.fetch(PATH, granularity=proposed, **query)

    @pytest.mark.parametrize(
        ("name", "text"),
        [("MAX_GROUPS", "groups"), ("MAX_RAW", "samples"), ("MAX_RAW_A_BUCKET", "One bucket")],
    )
    def test_each_limit_says_what_was_asked(
        self, reader: Client, start: int, monkeypatch: pytest.MonkeyPatch, name: str, text: str
    ) -> None:
        monkeypatch.setattr(statistics, name, 1)
        found = reader.refused(PATH, meter="cpu", groupby="resource")
        assert found["code"] == "limit_exceeded"
        assert text in found["detail"]


@pytest.mark.parametrize("name", ["arrow", "parquet"])
def test_without_pyarrow_its_formats_are_a_406_that_says_so(
    reader: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = reader.get("/api/samples", {"format": name})
    assert answer.status_code == 406
    assert "telemetry[arrow]" in answer.json()["detail"]


class TestCsv:
    def rows(self, answer: Any) -> list[list[str]]:
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/csv")
        assert answer["Content-Disposition"].startswith("attachment; filename=")
        assert answer["X-Content-Type-Options"] == "nosniff"
        return list(csv.reader(io.StringIO(answer.getvalue().decode(), newline="")))

    def test_statistics(self, reader: Client, start: int) -> None:
        query = {"meter": "cpu", "groupby": "resource", "aggregation": "mean,rate:mean"}
        span = {"start": iso(start), "stop": iso(start + HOUR), "granularity": "1h"}
        for extra, header in (({"format": "csv"}, {}), ({}, {"Accept": "text/csv"})):
            answer = reader.get(PATH, {**query, **span, **extra}, headers=header)
            rows = self.rows(answer)
            assert rows[0] == [
                "timestamp", "resource", "resource_id", "unit", "mean", "rate:mean",
            ]  # fmt: skip
            assert sorted((row[2], row[4]) for row in rows[1:]) == [
                ("vm-1", "29.5"),
                ("vm-2", "129.5"),
            ]

    def test_samples_are_exported_whole(self, reader: Client, start: int) -> None:
        rows = self.rows(reader.get("/api/samples", {"format": "csv", "limit": 1}))
        assert len(rows) == 1 + 120

    @pytest.mark.parametrize(
        "text",
        ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "=cmd|' /C calc'!A0", 'a"b,c', "a;b"],  # noqa: RUF001
    )
    def test_text_cannot_become_a_formula_and_numbers_stay(self, admin: Client, text: str) -> None:
        store_batch(batch_of((resource(text), "m", -3.5, now_us())))
        _, row = self.rows(admin.get("/api/samples", {"format": "csv"}))
        assert row[1] == "-3.5"
        assert row[7].lstrip("'") == text
        assert row[7][0] not in "=+-@＝"  # noqa: RUF001

    def test_an_error_is_json_also_where_csv_was_asked_for(self, reader: Client) -> None:
        answer = reader.get(PATH, {"nosuch": 1}, headers={"Accept": "text/csv"})
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/json"

    def test_a_fault_midway_ends_the_stream(
        self, reader: Client, start: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(columnar, "ROWS_A_CHUNK", 10)
        answer = reader.get("/api/samples", {"format": "csv"})
        chunks = iter(answer.streaming_content)
        assert next(chunks).startswith(b"timestamp,")
        monkeypatch.setattr(columnar, "_safe", lambda cell: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            list(chunks)
