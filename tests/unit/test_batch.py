"""BatchBuilder: everything that was added arrives, within the limits, or is told why not."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meters import wire
from pollers.batch import SAMPLES_A_BATCH, BatchBuilder, clean
from tests.unit import wire_strategies as some

T = 1_700_000_000_000_000
ID = "0bd1ab39-c5b5-4b68-9c0f-e24ddd17e7a4"
VM = wire.Resource("vm-1", "p1", "u1", "instance", {"name": "web"})

COLUMNS = ("index", "timestamp", "value")
Row = tuple[wire.Resource, str, str, str, int, float]


def opened(batches: list[wire.Batch]) -> list[Row]:
    """Every sample as the collector sees it; each batch encoded, within its limit and decoded."""
    rows: list[Row] = []
    for sent in batches:
        payload = wire.encode(sent)
        batch = wire.decode_batch(payload)
        assert batch == sent
        if batch.samples is None:
            continue
        catalogue = wire.decode_catalogue(batch.samples)
        columns = wire.decode_columns(batch.samples)
        wire.check_index(columns, len(catalogue.series))
        for index, time, value in zip(
            *(getattr(columns, name).tolist() for name in COLUMNS), strict=True
        ):
            series = catalogue.series[index]
            resource = catalogue.resources[series.resource]
            rows.append((resource, series.meter, series.unit, series.type, time, value))
    return rows


def all_small(batches: list[wire.Batch]) -> bool:
    return all(len(wire.encode(batch)) <= wire.MAX_BATCH_BYTES for batch in batches)


SAMPLES = st.tuples(
    some.RESOURCES,
    some.NAMES,
    some.TEXT,
    st.sampled_from(wire.SAMPLE_TYPES),
    some.TIMES,
    some.NUMBERS | st.integers(-(10**9), 10**9),
)


@given(
    st.lists(SAMPLES, max_size=12),
    st.lists(some.EVENTS, max_size=3),
    st.lists(some.REPORTS, max_size=2),
    st.booleans(),
)
def test_whatever_is_added_arrives_in_its_order(
    rows: list[Any], events: list[wire.Event], reports: list[wire.PollReport], one: bool
) -> None:
    builder = BatchBuilder("compute.a")
    for resource, meter, unit, type_, time, value in rows:
        assert builder.add(resource, meter, value, time, unit, type_)
    assert all(builder.event(event) for event in events)
    assert all(builder.report(report) for report in reports)
    batches = builder.batches(ID if one else None)
    assert opened(batches) == rows
    assert [event for batch in batches if batch.events for event in batch.events.events] == events
    assert [report for batch in batches for report in batch.reports] == reports
    assert not any(batch.rejects for batch in batches)


def test_nothing_added_makes_no_batch_but_an_answer_to_a_raw_batch() -> None:
    assert BatchBuilder("a").batches() == []
    (batch,) = BatchBuilder("a").batches(ID)
    assert (batch.batch_id, batch.samples, batch.events) == (ID, None, None)


def test_many_samples_are_split_and_each_batch_has_an_id_of_its_own() -> None:
    builder = BatchBuilder("a")
    for number in range(2 * SAMPLES_A_BATCH + 1):
        builder.add(VM, "cpu", number, T + number)
    batches = builder.batches()
    assert [len(batch.samples.index) // 4 for batch in batches if batch.samples] == [5000, 5000, 1]
    assert len({batch.batch_id for batch in batches}) == 3
    assert [row[-1] for row in opened(batches)] == list(range(10_001))


@pytest.mark.parametrize("filler", ["x" * 4000, "é" * 2000, "\x01" * 600, [0.5] * 12_000])
def test_large_metadata_splits_before_a_batch_is_too_large(filler: Any) -> None:
    metadata = {str(n): filler for n in range(15 if isinstance(filler, str) else 1)}
    builder = BatchBuilder("a")
    for number in range(60):
        assert builder.add(wire.Resource(f"vm-{number}", metadata=metadata), "cpu", 1.0, T)
    batches = builder.batches()
    assert len(batches) > 1
    assert all_small(batches)
    assert len(opened(batches)) == 60


def test_long_meters_of_four_byte_characters_split_before_a_batch_is_too_large() -> None:
    builder = BatchBuilder("a")
    for number in range(5000):
        builder.add(VM, f"{number:05d}" + "🐝" * 250, 1.0, T, unit="🐝" * 255)
    batches = builder.batches()
    assert all_small(batches)
    assert len(opened(batches)) == 5000


def test_many_events_reports_and_rejects_are_split_too() -> None:
    builder = BatchBuilder("a")
    builder.add(VM, "cpu", 1.0, T)
    for number in range(40):
        builder.event(wire.Event(f"m{number}", "e", T, raw={"text": "x" * 100_000}))
        builder.reject("schema", "why", body=b"x" * 300_000, headers={"a": ["b"] * 1000})
        builder.report(wire.PollReport("k", "s", T, T, 0.1, 1, errors=["🐝" * 2000] * 200))
    batches = builder.batches()
    assert all_small(batches)
    assert len(opened(batches)) == 1
    assert sum(len(batch.events.events) for batch in batches if batch.events) == 40
    assert sum(len(batch.rejects) for batch in batches) == 40
    assert sum(len(batch.reports) for batch in batches) == 40


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 60_000), st.integers(1, 900), st.integers(0, 200_000)), max_size=30
    )
)
def test_no_mixture_makes_a_batch_too_large(sizes: list[tuple[int, int, int]]) -> None:
    builder = BatchBuilder("a")
    for number, (text, meters, raw) in enumerate(sizes):
        metadata = {str(n): "x" * min(4096, text - n) for n in range(0, text, 4096)}
        resource = wire.Resource(f"vm-{number}", metadata=metadata)
        assert all(builder.add(resource, f"m{n}", 1.0, T) for n in range(meters))
        assert builder.event(wire.Event(f"m{number}", "e", T, raw={"a": "y" * raw}))
    batches = builder.batches()
    assert all_small(batches)
    assert len(opened(batches)) == builder.samples


def test_a_raw_batchs_answer_is_one_batch_however_large() -> None:
    builder = BatchBuilder("a")
    for number in range(40):
        metadata = {str(n): f"{number}" + "x" * 4000 for n in range(15)}
        for meter in range(100):
            builder.add(wire.Resource(f"vm-{number}", metadata=metadata), f"m{meter}", 1.0, T)
    (batch,) = builder.batches(ID)
    assert batch.batch_id == ID
    assert len(opened([batch])) == 4000
    assert len(wire.encode(batch)) > wire.MAX_BATCH_BYTES


def test_a_raw_batchs_answer_over_the_formats_limit_is_refused_by_its_size() -> None:
    builder = BatchBuilder("a")
    for number in range(10_001):
        builder.add(VM, "cpu", 1.0, T + number)
    with pytest.raises(wire.WireError, match="10001 rows, at most 10000 are allowed"):
        builder.batches(ID)


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        ({"volume": math.nan}, "not_finite", "cpu: nan is not finite"),
        ({"volume": -math.inf}, "not_finite", "cpu: -inf is not finite"),
        ({"volume": 10**400}, "not_finite", "cpu: an integer of 1329 bits is not finite"),
        ({"volume": "5"}, "schema", "cpu: '5' is not a number"),
        ({"volume": True}, "schema", "cpu: True is not a number"),
        ({"volume": None}, "schema", "cpu: None is not a number"),
        ({"timestamp_us": -1}, "schema", "cpu: time -1 is not in 1970…2200"),
        ({"timestamp_us": 2**63}, "schema", "cpu: time 9223372036854775808 is not in 1970…2200"),
        ({"meter": ""}, "schema", "meter: must not be empty"),
        ({"meter": "a\x00"}, "nul_in_text", "meter: holds a NUL character"),
        ({"meter": "a\udc80"}, "bad_encoding", "meter: holds half a surrogate pair"),
        ({"unit": "u" * 256}, "schema", "cpu: unit: 256 characters, at most 255 are allowed"),
        (
            {"type": "counter"},
            "schema",
            "cpu: type 'counter' is not one of ('gauge', 'cumulative', 'delta')",
        ),
        (
            {"resource": wire.Resource("vm", metadata={"n": 2**70})},
            "schema",
            "resource.metadata.n: an integer of more than 64 bits",
        ),
        (
            {"resource": wire.Resource("vm", metadata={"n": "\udc80"})},
            "bad_encoding",
            "resource.metadata.n: holds half a surrogate pair",
        ),
        ({"resource": wire.Resource("")}, "schema", "resource.id: must not be empty"),
    ],
)
def test_a_sample_that_cannot_be_stored_is_rejected_by_its_place(
    change: dict[str, Any], reason: str, detail: str
) -> None:
    builder = BatchBuilder("a")
    sample = {"resource": VM, "meter": "cpu", "volume": 1.0, "timestamp_us": T}
    assert not builder.add(**{**sample, **change})
    assert builder.add(VM, "cpu", 2.0, T)
    (batch,) = builder.batches()
    assert [(reject.reason, reject.detail) for reject in batch.rejects] == [(reason, detail)]
    assert opened([batch]) == [(VM, "cpu", "", "gauge", T, 2.0)]


def test_an_event_that_cannot_be_stored_spoils_no_other() -> None:
    builder = BatchBuilder("a")
    good = wire.Event("m1", "e", T)
    bad = [
        wire.Event("m2", "e", T, [wire.Trait("t", "int", True)]),
        wire.Event("m3\x00", "e", T),
        wire.Event("m4", "e\ud800", T),
        wire.Event("m5", "e", T, raw={"a": ["x\x00"]}),
        wire.Event("m6", "e", T, raw={"a": [0.5] * 60_000}),
        wire.Event("m7", "e", -1),
    ]
    assert [builder.event(event) for event in [good, *bad]] == [True] + [False] * 6
    batches = builder.batches()
    assert opened(batches) == []
    assert batches[0].events == wire.EventBatch([good])
    rejects = [reject for batch in batches for reject in batch.rejects]
    assert [reject.detail for reject in rejects] == [
        "event e.traits[0].value: True is none of text, int, float, datetime",
        "event e.message_id: holds a NUL character",
        "event e\\ud800.event_type: holds half a surrogate pair",
        "event e.raw.a[0]: holds a NUL character",
        "event e: 540073 bytes, at most 524288 are allowed (only 262144 of 300007 bytes kept)",
        "event e.generated: -1 is not in 1970…2200",
    ]
    assert rejects[1].source == "m3\\x00"


def test_texts_of_reports_and_rejects_are_made_to_fit() -> None:
    builder = BatchBuilder("a")
    report = wire.PollReport(
        "k" * 99, "s\x00\udc80", T, T, 0.1, 1, errors=["e" * 5000], details={"a": math.nan}
    )
    assert builder.report(report)
    builder.reject("r" * 99, "d\x00" * 5000, b"x", "s" * 999, "p" * 999, {"h": b"raw"})
    (batch,) = builder.batches()
    opened([batch])
    assert batch.reports[0].source == "s\\x00\\udc80"
    assert batch.reports[0].details == {"error": "left out.a: nan is not finite"}
    assert batch.rejects[0].headers == {"error": "left out.h: bytes is not a JSON type"}


def test_a_report_that_makes_no_sense_is_rejected() -> None:
    builder = BatchBuilder("a")
    assert not builder.report(wire.PollReport("host", "a", T, T, -1.0, 1))
    (batch,) = builder.batches()
    assert batch.reports == []
    assert batch.rejects[0].detail == "report of host.duration_s: -1.0 is not a duration"


def test_a_body_over_the_limit_of_an_item_is_cut_and_says_so() -> None:
    builder = BatchBuilder("a")
    builder.reject("bad_json", "no end", b"x" * 300_000)
    (reject,) = builder.rejects
    assert len(reject.body) == wire.MAX_ITEM_BYTES
    assert reject.detail == "no end (only 262144 of 300000 bytes kept)"


def test_one_meter_in_two_units_keeps_both_and_changed_metadata_its_own_samples() -> None:
    builder = BatchBuilder("a")
    later = msgspec.structs.replace(VM, metadata={"name": "db"})
    builder.add(VM, "memory", 512, T, "MB")
    builder.add(VM, "memory", 512, T + 1, "MiB")
    builder.add(later, "memory", 513, T + 2, "MiB")
    assert opened(builder.batches()) == [
        (VM, "memory", "MB", "gauge", T, 512.0),
        (VM, "memory", "MiB", "gauge", T + 1, 512.0),
        (later, "memory", "MiB", "gauge", T + 2, 513.0),
    ]


@given(st.text(st.characters(), max_size=40), st.integers(1, 30))
def test_cleaned_text_can_always_be_stored(text: str, limit: int) -> None:
    wire.check_text("text", clean(text, limit), limit=limit)
