"""The wire format: what goes in comes out; what breaks it is refused by the name of its place."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meters import wire
from telemetry_site.paths import ROOT
from tests.unit import wire_strategies as some

ID = "0bd1ab39-c5b5-4b68-9c0f-e24ddd17e7a4"
CATALOGUE = wire.Catalogue(
    [wire.Resource("vm-1", "p1", "u1", "instance", {"name": "web"})],
    [wire.Series(0, "cpu", "ns", "cumulative"), wire.Series(0, "vcpus")],
)
EVENT = wire.Event("m1", "compute.instance.update", 1, [wire.Trait("host", "text", "a")])


def batch(**fields: Any) -> wire.Batch:
    return wire.Batch(
        **{"v": 1, "batch_id": ID, "agent_id": "compute.a", "created_at": 0, **fields}
    )


def samples(**columns: Any) -> wire.SampleBatch:
    """Two rows, of which columns (or the catalogue) may be replaced by raw bytes."""
    whole = wire.pack_samples(CATALOGUE, [0, 1], [10, 20], [1.5, 2.0])
    return msgspec.structs.replace(whole, **columns)


def open_whole(payload: bytes) -> tuple[wire.Batch, wire.Catalogue | None, wire.Columns | None]:
    """Everything that the collector decodes of one message."""
    decoded = wire.decode_batch(payload)
    if decoded.samples is None:
        return decoded, None, None
    catalogue = wire.decode_catalogue(decoded.samples)
    columns = wire.decode_columns(decoded.samples)
    wire.check_index(columns, len(catalogue.series))
    return decoded, catalogue, columns


# --- round trip --------------------------------------------------------------------------------


@given(some.BATCHES)
def test_a_batch_comes_out_as_it_went_in(sent: wire.Batch) -> None:
    decoded, _, _ = open_whole(wire.encode(sent))
    assert decoded == sent


@given(some.RAW_BATCHES)
def test_a_raw_batch_comes_out_as_it_went_in(sent: wire.RawBatch) -> None:
    assert wire.decode_raw_batch(wire.encode(sent)) == sent


@given(some.RECEIPTS)
def test_receipts_come_out_as_they_went_in(sent: wire.Receipts) -> None:
    assert wire.decode_receipts(wire.encode(sent)) == sent


@given(some.catalogues(), st.data())
def test_catalogue_and_columns_come_out_as_they_went_in(
    catalogue: wire.Catalogue, data: st.DataObject
) -> None:
    row = st.tuples(st.integers(0, len(catalogue.series) - 1), some.TIMES, some.NUMBERS)
    index, timestamp, value = zip(*data.draw(st.lists(row, min_size=1)), strict=True)
    packed = wire.pack_samples(catalogue, index, timestamp, value)
    assert wire.decode_catalogue(packed) == catalogue
    columns = wire.decode_columns(packed)
    assert columns.index.tolist() == list(index)
    assert columns.timestamp.tolist() == list(timestamp)
    assert columns.value.tobytes() == np.array(value).tobytes()


def test_columns_are_little_endian_bytes() -> None:
    packed = samples()
    assert packed.index == struct.pack("<2I", 0, 1)
    assert packed.timestamp == struct.pack("<2q", 10, 20)
    assert packed.value == struct.pack("<2d", 1.5, 2.0)


@pytest.mark.parametrize("kind", ["bytes", "datetime", "uuid", "set", "decimal"])
def test_dicts_that_look_like_kombus_own_survive_unchanged(kind: str) -> None:
    trap = {"__type__": kind, "__value__": "2026-01-01"}
    metadata = {**trap, "deep": [trap, {"deeper": trap}]}
    catalogue = wire.Catalogue([wire.Resource("vm", metadata=metadata)], CATALOGUE.series)
    sent = batch(
        samples=wire.pack_samples(catalogue, [0], [1], [1.0]),
        events=wire.EventBatch([msgspec.structs.replace(EVENT, raw={"payload": metadata})]),
    )
    decoded, opened, _ = open_whole(wire.encode(sent))
    assert opened is not None
    assert opened.resources[0].metadata == metadata
    assert decoded.events is not None
    assert decoded.events.events[0].raw == {"payload": metadata}


def test_fields_that_a_later_version_adds_are_ignored() -> None:
    payload = msgspec.msgpack.decode(wire.encode(batch()))
    assert wire.decode_batch(msgspec.msgpack.encode({**payload, "new": [1]})) == batch()


# --- refusals: the envelope --------------------------------------------------------------------


def refusal(work: Callable[[], object]) -> tuple[str, str]:
    """(reason, text) of the `WireError` that `work` must raise."""
    with pytest.raises(wire.WireError) as caught:
        work()
    return caught.value.reason, str(caught.value)


def refused(sent: wire.Batch | dict[str, Any]) -> tuple[str, str]:
    return refusal(lambda: open_whole(msgspec.msgpack.encode(sent)))


@pytest.mark.parametrize("version", [0, 2, -1, 10**9])
def test_another_version_is_refused(version: int) -> None:
    wanted = ("bad_version", f"v: {version} is not one of (1,)")
    assert refused(batch(v=version)) == wanted
    raw = wire.RawBatch(version, ID, "a", 0, "amqp://bus", [])
    assert refusal(lambda: wire.decode_raw_batch(wire.encode(raw))) == wanted
    receipts = wire.Receipts(version, [])
    assert refusal(lambda: wire.decode_receipts(wire.encode(receipts))) == wanted


def test_a_version_of_a_later_shape_is_still_told_by_its_version() -> None:
    assert refused({"v": 7, "batch_id": ID, "samples": "elsewhere"}) == (
        "bad_version",
        "v: 7 is not one of (1,)",
    )


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"batch_id": "x"}, "batch_id: 'x' is not a UUID"),
        ({"batch_id": ID.upper()}, f"batch_id: '{ID.upper()}' is not a UUID"),
        ({"batch_id": f"{{{ID}}}"}, f"batch_id: '{{{ID}}}' is not a UUID"),
        ({"agent_id": ""}, "agent_id: '' breaks [!-.0-~]{1,200}"),
        ({"agent_id": "../../etc"}, "agent_id: '../../etc' breaks [!-.0-~]{1,200}"),
        ({"agent_id": "a" * 201}, "breaks [!-.0-~]{1,200}"),
        ({"created_at": -1}, "created_at: -1 is not in 1970…2200"),
    ],
)
def test_a_bad_envelope_is_refused(fields: dict[str, Any], place: str) -> None:
    reason, text = refused(batch(**fields))
    assert reason == "schema"
    assert place in text


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"batch_id": 5}, "`$.batch_id`"),
        ({"samples": {"index": b""}}, "`$.samples`"),
        (
            {"samples": {"catalogue": b"", "index": 3, "timestamp": b"", "value": b""}},
            "`$.samples.index`",
        ),
        ({"events": {"events": [{"message_id": "m"}]}}, "`$.events.events[0]`"),
        ({"reports": [{"kind": "host", "source": "a", "slot": "now"}]}, "`$.reports[0].slot`"),
    ],
)
def test_a_wrong_type_is_refused_by_its_path(change: dict[str, Any], place: str) -> None:
    reason, text = refused({**msgspec.msgpack.decode(wire.encode(batch())), **change})
    assert reason == "schema"
    assert place in text


def test_a_message_over_the_limit_is_refused_before_it_is_decoded() -> None:
    payload = bytes(wire.MAX_MESSAGE_BYTES + 1)
    assert refusal(lambda: wire.decode_batch(payload)) == (
        "item_too_large",
        "16777217 bytes, at most 16777216 are allowed",
    )


def test_a_raw_batch_needs_a_source_and_a_time() -> None:
    good = wire.RawBatch(1, ID, "a", 0, "amqp://bus", [])
    for fields, place in (
        ({"source": ""}, "source: must not be empty"),
        ({"source": "a\x00"}, "source: holds a NUL character"),
        ({"created_at": wire.LATEST_US + 1}, "created_at: 7258118400000001 is not in 1970…2200"),
    ):
        bad = wire.encode(msgspec.structs.replace(good, **fields))
        assert refusal(lambda bad=bad: wire.decode_raw_batch(bad))[1] == place


# --- refusals: columns -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ({"index": b"\x00" * 7}, "samples.index: 7 bytes are not a multiple of 4"),
        ({"timestamp": b"\x00" * 12}, "samples.timestamp: 12 bytes are not a multiple of 8"),
        ({"value": b"\x00" * 8}, "samples.value: 1 rows, but samples.index has 2"),
        ({"timestamp": b"\x00" * 24}, "samples.timestamp: 3 rows, but samples.index has 2"),
        ({"index": b""}, "samples.timestamp: 2 rows, but samples.index has 0"),
        (
            {"index": struct.pack("<2I", 0, 2)},
            "samples.index[1]: 2, but the catalogue has 2 series",
        ),
        (
            {"timestamp": struct.pack("<2q", 5, -1)},
            "samples.timestamp[1]: -1 is not in 1970…2200",
        ),
        (
            {"timestamp": struct.pack("<2q", wire.LATEST_US + 1, 5)},
            "samples.timestamp[0]: 7258118400000001 is not in 1970…2200",
        ),
        ({"value": struct.pack("<2d", 1, math.nan)}, "samples.value[1]: nan is not finite"),
        ({"value": struct.pack("<2d", -math.inf, 1)}, "samples.value[0]: -inf is not finite"),
    ],
)
def test_columns_that_break_the_format_are_refused(columns: dict[str, bytes], wanted: str) -> None:
    reason, text = refused(batch(samples=samples(**columns)))
    assert text == wanted
    assert reason == ("not_finite" if "finite" in wanted else "schema")


def test_the_bounds_of_time_themselves_are_allowed() -> None:
    packed = samples(timestamp=struct.pack("<2q", 0, wire.LATEST_US))
    _, _, columns = open_whole(wire.encode(batch(samples=packed)))
    assert columns is not None
    assert columns.timestamp.tolist() == [0, wire.LATEST_US]


def test_more_rows_than_a_batch_may_have_are_refused() -> None:
    rows = wire.MAX_SAMPLES + 1
    packed = samples(index=bytes(4 * rows), timestamp=bytes(8 * rows), value=bytes(8 * rows))
    assert refused(batch(samples=packed)) == (
        "schema",
        "samples: 10001 rows, at most 10000 are allowed",
    )


@pytest.mark.parametrize(
    ("index", "timestamp", "value", "place"),
    [
        ([0, 1], [1], [1.0, 1.0], "samples.timestamp: 1 rows, but samples.index has 2"),
        ([2], [1], [1.0], "samples.index[0]: 2, but the catalogue has 2 series"),
        ([-1], [1], [1.0], "samples.index: "),
        ([0], [2**70], [1.0], "samples.timestamp: "),
        ([0], [1], ["high"], "samples.value: "),
        ([0], [1], [math.nan], "samples.value[0]: nan is not finite"),
    ],
)
def test_nothing_is_packed_that_would_be_refused(
    index: list[int], timestamp: list[int], value: list[Any], place: str
) -> None:
    assert refusal(lambda: wire.pack_samples(CATALOGUE, index, timestamp, value))[1].startswith(
        place
    )


# --- refusals: the catalogue and its metadata --------------------------------------------------


def refused_resource(**fields: Any) -> tuple[str, str]:
    resource = msgspec.structs.replace(CATALOGUE.resources[0], **fields)
    catalogue = wire.encode(wire.Catalogue([resource], CATALOGUE.series))
    return refused(batch(samples=samples(catalogue=catalogue)))


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"id": ""}, "id: must not be empty"),
        ({"id": "x" * 256}, "id: 256 characters, at most 255 are allowed"),
        ({"id": "a\x00b"}, "id: holds a NUL character"),
        ({"type": ""}, "type: must not be empty"),
        ({"project_id": "\x00"}, "project_id: holds a NUL character"),
        ({"user_id": "u" * 300}, "user_id: 300 characters, at most 255 are allowed"),
        ({"source": "s" * 256}, "source: 256 characters, at most 255 are allowed"),
    ],
)
def test_a_resource_that_breaks_the_format_is_refused(fields: dict[str, Any], wanted: str) -> None:
    reason, text = refused_resource(**fields)
    assert text == f"samples.catalogue.resources[0].{wanted}"
    assert reason == ("nul_in_text" if "NUL" in wanted else "schema")


def nested(depth: int) -> dict[str, Any]:
    return {"d": nested(depth - 1)} if depth > 1 else {}


@pytest.mark.parametrize(
    ("metadata", "reason", "wanted"),
    [
        ({"a": "x" * 4097}, "schema", ".a: 4097 characters, at most 4096 are allowed"),
        ({"k" * 256: 1}, "schema", ": key: 256 characters, at most 255 are allowed"),
        ({"a": [1, {"b": "\x00"}]}, "nul_in_text", ".a[1].b: holds a NUL character"),
        ({"a\x00": 1}, "nul_in_text", ": key: holds a NUL character"),
        ({"a": [math.inf]}, "not_finite", ".a[0]: inf is not finite"),
        ({"a": b"raw"}, "schema", ".a: bytes is not a JSON type"),
        ({"a": 2**64 - 1}, "schema", ".a: an integer of more than 64 bits"),
        ({"a": {1: 2}}, "schema", ".a: key 1 is not text"),
        ({str(n): n for n in range(257)}, "too_many_keys", ": more than 256 keys"),
        ({"a": {str(n): n for n in range(256)}}, "too_many_keys", ".a: more than 256 keys"),
        (nested(9), "schema", ".d" * 8 + ": nested deeper than 8"),
        (
            {str(n): "x" * 4096 for n in range(16)},
            "schema",
            ": 65655 bytes, at most 65536 are allowed",
        ),
    ],
)
def test_metadata_over_its_limits_is_refused(
    metadata: dict[Any, Any], reason: str, wanted: str
) -> None:
    assert refused_resource(metadata=metadata) == (
        reason,
        f"samples.catalogue.resources[0].metadata{wanted}",
    )


def test_metadata_at_its_limits_is_taken() -> None:
    for metadata in (
        nested(8),
        {"a": {str(n): n for n in range(255)}},
        {"k" * 255: "x" * 4096},
        {"a": [-(2**63), 2**63 - 1, True, None, 1.7e308]},
    ):
        catalogue = wire.Catalogue([wire.Resource("vm", metadata=metadata)], CATALOGUE.series)
        wire.check_catalogue(catalogue)


def test_what_was_stored_already_may_be_more_than_an_agent_may_send() -> None:
    """By the metric API: long ids, metrics without name, times until 2262, large attributes."""
    resource = wire.Resource("x" * 300, metadata=nested(9) | {"k": "x" * 5000})
    catalogue = wire.encode(wire.Catalogue([resource], [wire.Series(0, "")]))
    late = np.array([wire.STORED.latest_us]).tobytes()
    kept = wire.SampleBatch(catalogue, bytes(4), late, bytes(8))
    wire.decode_catalogue(kept, wire.STORED)
    wire.decode_columns(kept, wire.STORED)
    for decode, place in ((wire.decode_catalogue, "catalogue"), (wire.decode_columns, "timestamp")):
        with pytest.raises(wire.WireError, match=f"samples.{place}"):
            decode(kept)


def test_what_was_stored_already_has_bounds_too() -> None:
    for column, wanted in (
        (np.array([wire.STORED.latest_us + 1]), "1970…2262"),
        (np.array([-1]), "1970…2262"),
    ):
        columns = wire.Columns(np.zeros(1, np.uint32), column, np.ones(1))
        with pytest.raises(wire.WireError, match=wanted):
            wire.check_columns(columns, wire.STORED)
    for resource in (wire.Resource("x" * 301), wire.Resource(""), wire.Resource("a\0b")):
        with pytest.raises(wire.WireError, match=r"resources\[0\].id"):
            wire.check_resource("resources[0]", resource, wire.STORED)


@pytest.mark.parametrize(
    ("series", "wanted"),
    [
        (wire.Series(1, "cpu"), "resource: 1, but there are 1 resources"),
        (wire.Series(-1, "cpu"), "resource: -1, but there are 1 resources"),
        (wire.Series(0, ""), "meter: must not be empty"),
        (wire.Series(0, "m" * 256), "meter: 256 characters, at most 255 are allowed"),
        (wire.Series(0, "m", "\x00"), "unit: holds a NUL character"),
    ],
)
def test_a_series_that_breaks_the_format_is_refused(series: wire.Series, wanted: str) -> None:
    catalogue = wire.encode(wire.Catalogue(CATALOGUE.resources, [CATALOGUE.series[0], series]))
    assert refused(batch(samples=samples(catalogue=catalogue)))[1] == (
        f"samples.catalogue.series[1].{wanted}"
    )


def test_a_catalogue_that_is_no_msgpack_is_refused_by_its_name() -> None:
    assert refused(batch(samples=samples(catalogue=b"\xc1")))[1].startswith("samples.catalogue: ")


def test_half_a_surrogate_pair_is_refused_before_anything_is_encoded() -> None:
    resource = wire.Resource("vm", metadata={"name": "a\ud800"})
    wanted = (
        "bad_encoding",
        "samples.catalogue.resources[0].metadata.name: holds half a surrogate pair",
    )
    assert (
        refusal(
            lambda: wire.pack_samples(wire.Catalogue([resource], CATALOGUE.series), [0], [1], [1.0])
        )
        == wanted
    )


def test_half_a_surrogate_pair_in_a_message_is_refused() -> None:
    catalogue = wire.encode(CATALOGUE).replace(b"\xa3web", b"\xa3\xed\xa0\x80")
    reason, text = refused(batch(samples=samples(catalogue=catalogue)))
    assert text.startswith("samples.catalogue: ")
    assert "utf-8" in text
    assert reason == "schema"


# --- refusals: events, reports, rejects --------------------------------------------------------


def refused_event(**fields: Any) -> tuple[str, str]:
    event = msgspec.structs.replace(EVENT, **fields)
    return refused(batch(events=wire.EventBatch([EVENT, event])))


@pytest.mark.parametrize(
    ("fields", "reason", "wanted"),
    [
        ({"message_id": ""}, "schema", "message_id: must not be empty"),
        ({"event_type": "a\x00"}, "nul_in_text", "event_type: holds a NUL character"),
        ({"generated": -5}, "schema", "generated: -5 is not in 1970…2200"),
        ({"raw": {"payload": ["\x00"]}}, "nul_in_text", "raw.payload[0]: holds a NUL character"),
        ({"raw": nested(33)}, "schema", "raw" + ".d" * 32 + ": nested deeper than 32"),
        (
            {"raw": {"a": "x" * 200_000, "b": "y" * 200_000}},
            "item_too_large",
            "raw: 400015 bytes, at most 262144 are allowed",
        ),
        (
            {"traits": [wire.Trait("t", "int", 1)] * 257},
            "schema",
            "traits: 257, at most 256 are allowed",
        ),
    ],
)
def test_an_event_that_breaks_the_format_is_refused(
    fields: dict[str, Any], reason: str, wanted: str
) -> None:
    assert refused_event(**fields) == (reason, f"events[1].{wanted}")


def test_a_notification_as_deep_and_wide_as_real_ones_is_taken() -> None:
    raw = {"payload": nested(12), "wide": {str(n): n for n in range(1000)}, "text": "x" * 50_000}
    wire.check_event("event", msgspec.structs.replace(EVENT, raw=raw))


@pytest.mark.parametrize(
    ("trait", "wanted"),
    [
        (wire.Trait("", "text", "x"), "name: must not be empty"),
        (wire.Trait("t", "text", 5), "value: 5 is not text"),
        (wire.Trait("t", "text", "x" * 256), "value: 256 characters, at most 255 are allowed"),
        (wire.Trait("t", "text", "\x00"), "value: holds a NUL character"),
        (wire.Trait("t", "int", 1.5), "value: 1.5 is not an integer"),
        (wire.Trait("t", "int", 2**63), "value: an integer of more than 64 bits"),
        (wire.Trait("t", "float", "1"), "value: '1' is not a finite number"),
        (wire.Trait("t", "float", math.nan), "value: nan is not a finite number"),
        (wire.Trait("t", "datetime", "2026"), "value: '2026' is not an integer"),
        (wire.Trait("t", "datetime", -1), "value: -1 is not in 1970…2200"),
    ],
)
def test_a_trait_that_is_not_of_its_type_is_refused(trait: wire.Trait, wanted: str) -> None:
    assert refused_event(traits=[EVENT.traits[0], trait])[1] == f"events[1].traits[1].{wanted}"


@pytest.mark.parametrize("kind", ["text", "int", "float", "datetime"])
def test_a_truth_value_is_no_trait(kind: wire.TraitType) -> None:
    text = refusal(lambda: wire.check_trait("trait", wire.Trait("t", kind, True)))[1]
    assert text == "trait.value: True is none of text, int, float, datetime"


REPORT = wire.PollReport("host", "a", 0, 0, 0.1, 3)
REJECT = wire.Reject("schema", "why", b"x")


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"kind": "k" * 65}, "kind: 65 characters, at most 64 are allowed"),
        ({"source": ""}, "source: must not be empty"),
        ({"slot": -1}, "slot: -1 is not in 1970…2200"),
        ({"started": -1}, "started: -1 is not in 1970…2200"),
        ({"duration_s": -0.1}, "duration_s: -0.1 is not a duration"),
        ({"interval_s": math.nan}, "interval_s: nan is not a duration"),
        ({"samples": -1}, "samples: -1 is not a count"),
        ({"errors": ["fine", "\x00"]}, "errors[1]: holds a NUL character"),
        ({"errors": ["e"] * 101}, "errors: 101, at most 100 are allowed"),
        ({"details": {"a": nested(8)}}, "details.a" + ".d" * 7 + ": nested deeper than 8"),
    ],
)
def test_a_report_that_breaks_the_format_is_refused(fields: dict[str, Any], wanted: str) -> None:
    report = msgspec.structs.replace(REPORT, **fields)
    assert refused(batch(reports=[REPORT, report]))[1] == f"reports[1].{wanted}"


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"reason": ""}, "reason: must not be empty"),
        ({"detail": "d" * 4097}, "detail: 4097 characters, at most 4096 are allowed"),
        ({"source": "\x00"}, "source: holds a NUL character"),
        ({"path": "p" * 256}, "path: 256 characters, at most 255 are allowed"),
        ({"headers": {"a": math.nan}}, "headers.a: nan is not finite"),
    ],
)
def test_a_reject_that_breaks_the_format_is_refused(fields: dict[str, Any], wanted: str) -> None:
    reject = msgspec.structs.replace(REJECT, **fields)
    assert refused(batch(rejects=[reject]))[1] == f"rejects[0].{wanted}"


# --- anything at all ---------------------------------------------------------------------------

DECODERS = [open_whole, wire.decode_raw_batch, wire.decode_receipts]


def refuses_or_takes(payload: bytes) -> None:
    """No decoder may raise anything but `WireError`."""
    wire.peek_header(payload)
    for decoder in DECODERS:
        with suppress(wire.WireError):
            decoder(payload)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xc1")
def test_arbitrary_bytes_raise_nothing_but_a_wire_error(payload: bytes) -> None:
    refuses_or_takes(payload)


@given(some.BATCHES.map(wire.encode) | some.RAW_BATCHES.map(wire.encode), st.data())
def test_cut_and_flipped_messages_raise_nothing_but_a_wire_error(
    payload: bytes, data: st.DataObject
) -> None:
    refuses_or_takes(payload[: data.draw(st.integers(0, len(payload)))])
    flipped = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        flipped[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    refuses_or_takes(bytes(flipped))


@given(some.catalogues().map(wire.encode), st.data())
def test_cut_and_flipped_catalogues_raise_nothing_but_a_wire_error(
    catalogue: bytes, data: st.DataObject
) -> None:
    flipped = bytearray(catalogue)
    flipped[data.draw(st.integers(0, len(catalogue) - 1))] = data.draw(st.integers(0, 255))
    for broken in (bytes(flipped), catalogue[: data.draw(st.integers(0, len(catalogue)))]):
        refuses_or_takes(wire.encode(batch(samples=samples(catalogue=broken))))


@pytest.mark.parametrize("opener", [b"\x81\xa1a", b"\x91", b"\xdd\x00\x00\x00\x01"])
def test_a_depth_bomb_is_refused_wherever_it_hides(opener: bytes) -> None:
    bomb = opener * 200_000 + b"\xc0"
    bare = wire.encode(batch())
    hidden = [
        bomb,
        b"\x85" + bare[1:] + b"\xa7reports" + bomb,
        b"\x85" + bare[1:] + b"\xa7unknown" + bomb,
        wire.encode(batch(samples=samples(catalogue=b"\x81\xa9resources" + bomb))),
        b"\x85" + bare[1:] + b"\xa6events\x81\xa6events\x91\x84\xaamessage_id\xa1m"
        b"\xaaevent_type\xa1e\xa9generated\x00\xa3raw\x81\xa1a" + bomb,
    ]
    for payload in hidden:
        refuses_or_takes(payload)
        with pytest.raises(wire.WireError):
            open_whole(payload)


def test_a_length_that_promises_more_than_there_is_is_refused() -> None:
    for promise in (b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
        assert refusal(lambda promise=promise: wire.decode_batch(promise))[0] in {
            "bad_encoding",
            "schema",
        }


def test_the_documented_example_is_what_is_written_there() -> None:
    text = (ROOT / "docs" / "reference" / "wire.md").read_text()
    made: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, made)
    assert made["columns"].value.tolist() == [1.5e9, 2.0]
    sent = made["received"].samples
    assert f"The message has {len(made['payload'])} bytes" in text
    assert f"Its catalogue, {len(sent.catalogue)} bytes" in text
    for name, size in (("index", 4), ("timestamp", 8), ("value", 8)):
        hexadecimal = getattr(sent, name).hex(" ", size).split()
        assert re.search(rf"^{name} +{hexadecimal[0]} +{hexadecimal[1]}$", text, re.MULTILINE)
    (shown,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert msgspec.json.decode(shown) == msgspec.msgpack.decode(sent.catalogue)
