"""Samples and statistics as Arrow and Parquet, read by Arrow's own library."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from meters import arrow
from meters.columnar import Labels, Table
from meters.models import Metric
from meters.store.write import store_batch
from telemetry_site.clock import from_us, now_us
from tests.api.people import P1, P2, Client
from tests.support.batches import SECOND, batch_of, resource

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.django_db

MINUTE = 60 * SECOND
TYPES = {
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
each_format = pytest.mark.parametrize("name", TYPES)


def read(name: str, content: bytes) -> Any:
    if name == "parquet":
        return parquet.read_table(io.BytesIO(content))
    with pyarrow.ipc.open_stream(content) as stream:
        return stream.read_all()


def table_of(name: str, answer: Any) -> Any:
    assert answer.status_code == 200
    assert answer["Content-Type"] == TYPES[name]
    assert answer["Content-Disposition"].endswith(f'.{name}"')
    return read(name, answer.getvalue())


@pytest.fixture
def start(people: object) -> int:
    """An hour with a sample a minute, the half of it packed; and another project's samples."""
    start = now_us() // MINUTE * MINUTE - 60 * MINUTE
    mine, other = resource("vm-1", project_id=P1), resource("vm-2", project_id=P2)
    rows = [(mine, "cpu", place + 0.1, start + place * MINUTE) for place in range(60)]
    store_batch(batch_of(*rows, (mine, "=SUM(1)", -1.0, start), (other, "cpu", 1.0, start)))
    return start


@each_format
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_samples_come_whole_typed_and_in_order(
    reader: Client, start: int, name: str, order: str
) -> None:
    asked = {"order": order, "meter": "cpu", "limit": 1}
    table = table_of(
        name, reader.get("/api/samples", asked, headers={"Accept": TYPES[name]})
    ).to_pydict()
    assert list(table) == [
        "timestamp", "value", "meter", "unit", "type", "metric", "resource", "resource_id",
    ]  # fmt: skip
    times = [from_us(start + place * MINUTE) for place in range(60)]
    values = [place + 0.1 for place in range(60)]
    assert table["timestamp"] == (times if order == "oldest" else times[::-1])
    assert table["value"] == (values if order == "oldest" else values[::-1])
    metric = Metric.objects.get(name="cpu", resource__original_id="vm-1")
    assert set(table["metric"]) == {str(metric.uuid)}
    assert set(table["resource_id"]) == {"vm-1"}


@each_format
def test_text_stays_as_it_is(reader: Client, start: int, name: str) -> None:
    found = table_of(name, reader.get("/api/samples", {"format": name}))
    assert set(found["meter"].to_pylist()) == {"cpu", "=SUM(1)"}
    assert set(found["resource_id"].to_pylist()) == {"vm-1"}, "another project's is not shown"


@each_format
def test_statistics_have_a_column_a_method_and_nulls(admin: Client, start: int, name: str) -> None:
    query = {
        "meter": "cpu", "groupby": "resource", "granularity": 60, "format": name,
        "start": from_us(start).isoformat(), "stop": from_us(start + 2 * MINUTE).isoformat(),
        "aggregation": "mean,rate:mean",
    }  # fmt: skip
    table = table_of(name, admin.get("/api/statistics", query)).to_pydict()
    assert list(table) == ["timestamp", "resource", "resource_id", "unit", "mean", "rate:mean"]
    rows = sorted(zip(table["resource_id"], table["mean"], table["rate:mean"], strict=True))
    assert [row[:2] for row in rows] == [("vm-1", 0.1), ("vm-1", 1.1), ("vm-2", 1.0)]
    assert [row[2] for row in rows] == [None, pytest.approx(1.0), None]


@each_format
def test_nothing_is_an_empty_table_with_its_columns(reader: Client, start: int, name: str) -> None:
    found = table_of(name, reader.get("/api/samples", {"format": name, "meter": "nosuch"}))
    assert found.num_rows == 0
    assert found.schema.field("timestamp").type == pyarrow.timestamp("us", tz="UTC")


@each_format
def test_an_error_is_json(reader: Client, name: str) -> None:
    answer = reader.get("/api/statistics", headers={"Accept": TYPES[name]})
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")


@each_format
def test_blocks_go_out_in_batches_of_bounded_size(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Small ones together, large ones cut; each text has one code, though blocks differ."""
    monkeypatch.setattr(arrow, "ROWS_A_BATCH", 10)
    read_from: list[int] = []

    def blocks() -> Any:
        for place, rows in enumerate([1, 2, 25, 3]):
            read_from.append(place)
            labels = Labels(["a", f"b{place}", None, "a"], np.arange(rows) % 4)
            yield [np.arange(rows), np.full(rows, np.nan), labels]

    table = Table({"time": "time", "none": "number", "text": "text"}, blocks())
    made = arrow.arrow_chunks if name == "arrow" else arrow.parquet_chunks
    chunks = made(table)
    content = next(chunks)
    assert read_from == [0, 1, 2], "the rest is not read before it is asked for"
    found = read(name, content + b"".join(chunks))
    assert found.num_rows == 31
    assert found["none"].null_count == 31
    rows = [["a", f"b{p}", None, "a"][n % 4] for p, k in enumerate([1, 2, 25, 3]) for n in range(k)]
    assert found["text"].to_pylist() == rows
    for chunk in found["text"].chunks:
        texts = chunk.dictionary.to_pylist()
        assert len(texts) == len(set(texts))
    if name == "arrow":
        assert [len(chunk) for chunk in found["time"].chunks] == [3, 10, 10, 8]
