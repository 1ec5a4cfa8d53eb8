"""Bytes of a bus → the converted message, or a reason and a place."""

from __future__ import annotations

import bz2
import gzip
import json
import pickle
import zlib
from typing import Any

import pytest

from meters import wire
from pollers.notification.envelope import FULL_SIZE, MAX_MESSAGE_BYTES, Unreadable, decode
from telemetry_site.clock import from_us
from tests.support.notifications import instance, message, packed


def refused(raw: wire.RawMessage | dict[str, Any]) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        decode(raw if isinstance(raw, wire.RawMessage) else packed(raw))
    return caught.value


def bare(body: bytes, **fields: Any) -> wire.RawMessage:
    return wire.RawMessage(body, **fields)


def test_the_converted_message_holds_what_definitions_address() -> None:
    made = decode(packed(message("x.y", {"a": 1}, _context_request_id="req-1", _context_user="u")))

    assert made.message == {
        "ctxt": {"request_id": "req-1", "user": "u"},
        "publisher_id": "service.cmp01",
        "event_type": "x.y",
        "payload": {"a": 1},
        "metadata": {
            "message_id": "5c0c5523-b797-4535-8d84-618329bbef82",
            "timestamp": "2026-11-25 02:00:16.697645",
        },
    }
    assert made.priority == "info"
    assert from_us(made.timestamp_us).isoformat() == "2026-11-25T02:00:16.697645+00:00"


def test_fields_of_the_transport_belong_to_the_context() -> None:
    made = decode(packed(message("x", {}, _msg_id="m", _reply_q="q", _timeout=5)))

    assert made.message["ctxt"] == {"msg_id": "m", "reply_q": "q", "client_timeout": 5}


def test_a_message_without_envelope_is_format_1() -> None:
    inner = instance()

    assert decode(bare(json.dumps(inner).encode())) == decode(packed(inner))


def test_a_message_in_the_converted_form_is_understood() -> None:
    """As hand-made senders publish it: identity in `metadata`, context in `ctxt`."""
    inner = {
        "publisher_id": "compute:n2",
        "event_type": "compute.instance.update",
        "ctxt": {"project_id": "p"},
        "metadata": {"message_id": "m1", "timestamp": "2016-08-17 13:53:35"},
        "payload": {},
    }
    made = decode(packed(inner))

    assert (made.message_id, made.message["ctxt"]) == ("m1", {"project_id": "p"})


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-07-07T10:00:00", "2026-07-07 12:00:00+02:00", "2026-07-07T10:00:00.000000Z",
        "2026-07-07 10:00:00", "2026-07-07T10:00:00+0000", " 2026-07-07T10:00:00.0000001 ",
    ],
)  # fmt: skip
def test_times_with_and_without_zone_are_the_same_instant(timestamp: str) -> None:
    made = decode(packed(message("x", {}, timestamp=timestamp)))

    assert from_us(made.timestamp_us).isoformat() == "2026-07-07T10:00:00+00:00"


def test_a_leap_second_is_the_last_microsecond_before_it() -> None:
    made = decode(packed(message("x", {}, timestamp="2016-12-31T23:59:60Z")))

    assert from_us(made.timestamp_us).isoformat() == "2016-12-31T23:59:59.999999+00:00"


@pytest.mark.parametrize(
    ("priority", "routing_key", "expected"),
    [
        ("ERROR", "notifications.info", "error"),
        (None, "notifications.sample", "sample"),
        (None, "", "info"),
        (7, "notifications", "info"),
    ],
)
def test_the_priority_is_the_messages_else_its_routing_keys(
    priority: Any, routing_key: str, expected: str
) -> None:
    raw = packed(message("x", {}, priority=priority), routing_key=routing_key)

    assert decode(raw).priority == expected


@pytest.mark.parametrize(
    ("pack", "name"),
    [
        (zlib.compress, "application/x-gzip"),
        (gzip.compress, "gzip"),
        (bz2.compress, "application/x-bz2"),
        (bz2.compress, "bzip2"),
    ],
)
def test_a_compressed_body_is_inflated(pack: Any, name: str) -> None:
    raw = packed(instance())
    squeezed = bare(pack(raw.body), headers={"compression": name})

    assert decode(squeezed) == decode(raw)


@pytest.mark.parametrize(
    ("body", "compression", "reason"),
    [
        (zlib.compress(b" " * (MAX_MESSAGE_BYTES + 1)), "gzip", "item_too_large"),
        (bz2.compress(b" " * (64 << 20)), "bzip2", "item_too_large"),
        (b"no gzip", "gzip", "bad_encoding"),
        (b"no bzip", "bzip2", "bad_encoding"),
        (zlib.compress(b"{}" * 99)[:-6], "gzip", "bad_encoding"),
        (b"{}", "zstd", "bad_encoding"),
    ],
)
def test_a_body_that_cannot_be_inflated_within_the_limit_is_refused(
    body: bytes, compression: str, reason: str
) -> None:
    assert refused(bare(body, headers={"compression": compression})).reason == reason


class _Touch:
    """A pickle that would run code when it is loaded."""

    def __reduce__(self) -> Any:
        return (open, ("/tmp/telemetry-pickle-was-loaded", "w"))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (bare(b""), "bad_json"),
        (bare(b"{not json"), "bad_json"),
        (bare(b'{"a": NaN}'), "bad_json"),
        (bare(b'{"a": 1e999}'), "bad_json"),
        (bare(b'{"a": "\\ud800"}'), "bad_json"),
        (bare(b"\xef\xbb\xbf{}"), "bad_json"),
        (bare(b"[" * 100_000), "bad_json"),
        (bare(b'{"a": "\xff"}'), "bad_encoding"),
        (bare("{}".encode("utf-16")), "bad_json"),
        (bare(b"{}", content_encoding="latin-1"), "bad_encoding"),
        (bare(b"{}", content_type="application/x-yaml"), "bad_encoding"),
        (bare(b"{}", content_type="application/x-msgpack"), "bad_encoding"),
        (bare(pickle.dumps(_Touch()), content_type="application/x-python-serialize"),
         "bad_encoding"),
        (bare(pickle.dumps(_Touch())), "bad_json"),
        (bare(b"5"), "schema"),
        (bare(b"null"), "schema"),
        (bare(b"[]"), "schema"),
        (bare(b"{}"), "schema"),
        (bare(b" " * (MAX_MESSAGE_BYTES + 1)), "item_too_large"),
        (bare(b"{}", headers={FULL_SIZE: 10_000_000}), "item_too_large"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_notification_is_refused_with_its_reason(
    raw: wire.RawMessage, reason: str
) -> None:
    assert refused(raw).reason == reason


@pytest.mark.parametrize(
    ("envelope", "reason", "path"),
    [
        ({"oslo.version": "3.0", "oslo.message": "{}"}, "bad_version", "oslo.version"),
        ({"oslo.version": 2, "oslo.message": "{}"}, "bad_version", "oslo.version"),
        ({"oslo.version": "2.0", "oslo.message": {}}, "schema", "oslo.message"),
        ({"oslo.version": "2.0", "oslo.message": "{"}, "bad_json", "oslo.message"),
        ({"oslo.version": "2.0", "oslo.message": "[]"}, "schema", ""),
    ],
)
def test_a_wrong_envelope_is_refused_with_its_place(
    envelope: dict[str, Any], reason: str, path: str
) -> None:
    error = refused(bare(json.dumps(envelope).encode()))

    assert (error.reason, error.path) == (reason, path)


@pytest.mark.parametrize(
    ("fields", "reason", "path"),
    [
        ({"message_id": None}, "schema", "message_id"),
        ({"message_id": ""}, "schema", "message_id"),
        ({"message_id": 5}, "schema", "message_id"),
        ({"message_id": "a" * 256}, "schema", "message_id"),
        ({"message_id": "a\x00b"}, "nul_in_text", "message_id"),
        ({"event_type": None}, "schema", "event_type"),
        ({"event_type": ["x"]}, "schema", "event_type"),
        ({"event_type": "x\x00"}, "nul_in_text", "event_type"),
        ({"publisher_id": {}}, "schema", "publisher_id"),
        ({"timestamp": None}, "schema", "timestamp"),
        ({"timestamp": 5}, "schema", "timestamp"),
        ({"timestamp": "yesterday"}, "schema", "timestamp"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "schema", "timestamp"),
        ({"timestamp": "9999-12-31T23:59:59-14:00"}, "schema", "timestamp"),
        ({"timestamp": "2026-02-30T00:00:00"}, "schema", "timestamp"),
    ],
)
def test_a_message_without_proper_identity_is_refused_with_its_place(
    fields: dict[str, Any], reason: str, path: str
) -> None:
    error = refused(message(**{"event_type": "x", "payload": {}, **fields}))

    assert (error.reason, error.path) == (reason, path)


@pytest.mark.parametrize("payload", [None, {}, [], "text", 5, True])
def test_any_payload_is_taken(payload: Any) -> None:
    assert decode(packed(message("x", payload))).payload == ({} if payload is None else payload)


def test_a_missing_publisher_is_no_fault() -> None:
    inner = message("x", {})
    del inner["publisher_id"]

    assert decode(packed(inner)).publisher_id == ""
