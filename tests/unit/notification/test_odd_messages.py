"""Odd values at every place of a message: it is converted or refused with a reason that we know.

A reason `unknown` is an exception that nobody foresaw, with a traceback in the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from meters import wire
from pollers.notification.convert import Converter
from pollers.notification.events import load_events
from pollers.notification.loading import STOCK
from pollers.notification.resource_files import load_resource_rules
from tests.support.notifications import (
    Result,
    convert,
    image,
    instance,
    message,
    object_request,
    stock_converter,
    volume,
)
from tests.support.notifications import packed as in_envelope

DEEP = "[" * 400 + "]" * 400
#: As JSON, so that what no Python value gives stands there, too.
ODD = (
    "null", "true", "0", "-1", "1.5", "1e308", "-1e-320", "18446744073709551615",
    "-9223372036854775809", "1" + "0" * 400, "9" * 5000, '""', '"a\\u0000b"', '"\\ud83d\\ude00"',
    '"nan"', '"Infinity"', '"0x10"', '" 5 "', '"\u0665"', '"' + "x" * 5000 + '"', "[]", "[[]]",
    "[null, null]", "{}", '{"a": {"b": [1, {"c": null}]}}', '[{"metric": 5}]', '{"": ""}', DEEP,
    '{"a": ' * 400 + "1" + "}" * 400, '"2026-11-25T02:00:00"', '"0001-01-01"',
)  # fmt: skip
MARK = "--here--"

SAMPLE = {
    "counter_name": "cpu", "counter_type": "cumulative", "counter_unit": "ns", "counter_volume": 5,
    "resource_id": "r1", "timestamp": "2026-11-25T02:00:00", "user_id": "u", "project_id": "p",
    "resource_metadata": {"a": "b"}, "source": "openstack", "message_id": "m",
    "message_signature": "00",
}  # fmt: skip
EVENT = {
    "message_id": "m", "event_type": "x.y", "generated": "2026-11-25T02:00:00",
    "traits": [["a", 1, "b"], ["n", 2, 5], ["f", 3, 1.5], ["t", 4, "2026-11-25T02:00:00"]],
    "raw": {"payload": {"a": 1}}, "message_signature": "00",
}  # fmt: skip
SENSORS = {
    "node_uuid": "n", "timestamp": "2026-11-25T02:00:00", "event_type": "e",
    "payload": {"Temperature": {"DIMM (0x1)": {
        "Sensor ID": "DIMM (0x1)", "Sensor Reading": "21 (+/- 1) degrees C",
    }}},
}  # fmt: skip
METRICS = {
    "metrics": [
        {"name": "cpu.frequency", "value": 2600, "timestamp": "2026-11-25T02:00:00", "source": "s"}
    ],
    "host": "h", "nodename": "n",
}  # fmt: skip
MESSAGES: dict[str, dict[str, Any]] = {
    "instance": instance(), "volume": volume(), "image": image(),
    "object": object_request(("storage.api.request", "request", 1)),
    "polled": message("telemetry.polling", {"samples": [SAMPLE]}),
    "metering": message("metering", [SAMPLE]), "events": message("event", [EVENT]),
    "request": message("http.request", {"request": {"HTTP_X_SERVICE_NAME": "glance"}}),
    "sensors": message("hardware.ipmi.metrics", SENSORS),
    "metrics": message("compute.metrics.update", METRICS),
    "pool": message("capacity.pool.x", {"name_to_id": "h@b#p", "total": 1, "free": 1}),
}  # fmt: skip
#: Those that carry signatures.
PUBLISHED = ("polled", "metering", "events")


def spoilt(whole: Any) -> Iterator[Any]:
    """The value with a mark in the place of each of its parts, and of itself."""
    yield MARK
    if not isinstance(whole, dict | list):
        return
    for place, part in whole.items() if isinstance(whole, dict) else enumerate(whole):
        for one in spoilt(part):
            copy = dict(whole) if isinstance(whole, dict) else list(whole)
            copy[place] = one
            yield copy


def packed(inner: str, priority: str = "info") -> wire.RawMessage:
    body = json.dumps({"oslo.version": "2.0", "oslo.message": inner}).encode()
    return wire.RawMessage(body, routing_key=f"notifications.{priority}")


def as_configured(secret: str = "") -> Converter:
    """The stock files, those of resources too, and events that keep their message whole."""
    events, _ = load_events([STOCK / "events.yaml"], store_raw=["info", "sample"])
    resources, _ = load_resource_rules(STOCK / "resources.yaml")
    return Converter(events, stock_converter().meters, secret=secret, resources=resources)


@pytest.mark.parametrize("kind", MESSAGES)
def test_odd_values_at_every_place_are_converted_or_refused_with_a_known_reason(kind: str) -> None:
    texts = [json.dumps(one) for one in spoilt(MESSAGES[kind])]
    raws = [packed(text.replace(f'"{MARK}"', odd)) for text in texts for odd in ODD]
    for secret in ("", "a secret of ours") if kind in PUBLISHED else ("",):
        converter = as_configured(secret)
        for start in range(0, len(raws), 100):
            piece = raws[start : start + 100]
            result: Result = convert(*piece, by=converter)
            unknown = [one for one in result.batch.rejects if one.reason == "unknown"]
            assert not unknown, [(one.detail, one.body[:2000]) for one in unknown[:3]]
            assert result.tally.results.total() == len(piece)


def test_what_is_nested_too_deep_is_refused_as_that() -> None:
    """At some depths JSON can still be read, but not be followed down to be signed."""
    text = json.dumps(message("metering", [{**SAMPLE, "resource_metadata": {"a": MARK}}]))
    converter = as_configured("a secret of ours")
    found = set()
    with capture_logs():
        for depth in range(800, 1010):
            deep = '{"a":' * depth + "1" + "}" * depth
            found.add(convert(packed(text.replace(f'"{MARK}"', deep)), by=converter).reject.reason)

    assert found == {"bad_signature", "bad_json"}


def test_a_whole_number_of_more_than_63_bits_costs_the_value_and_not_the_sample() -> None:
    result = convert(in_envelope(image(virtual_size=(1 << 64) - 1)))

    assert result.samples["image.size"] == (5000.0, "B", "gauge")
    assert "virtual_size" not in result.resource.metadata
    assert not result.batch.rejects
