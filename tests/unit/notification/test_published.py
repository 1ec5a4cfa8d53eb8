"""Samples and events that others' agents publish: metering and event messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pollers.notification.convert import Converter
from pollers.notification.published import signed_inside
from telemetry_site.signatures import signed
from tests.support.notifications import convert, message, stock_converter

SECRET = "something long"


def metering(**fields: Any) -> dict[str, Any]:
    return {
        "source": "openstack", "counter_name": "cpu", "counter_type": "cumulative",
        "counter_unit": "ns", "counter_volume": 590000000, "user_id": "u1", "project_id": "p1",
        "resource_id": "i1", "timestamp": "2026-11-25T02:00:00.000000",
        "resource_metadata": {"display_name": "web-1"}, "message_id": "m1", **fields,
    }  # fmt: skip


def polled(*samples: Any, **fields: Any) -> dict[str, Any]:
    return message(
        "telemetry.polling", {"samples": list(samples)},
        **{"priority": "SAMPLE", "publisher_id": "ceilometer.polling", **fields},
    )  # fmt: skip


def event(**fields: Any) -> dict[str, Any]:
    return {
        "message_id": "e1", "event_type": "volume.resize.end",
        "generated": "2026-11-25T02:00:16.697645", "raw": {},
        "traits": [
            ["service", 1, "volume.testhost@fake"], ["size", 2, 2], ["load", 3, 0.5],
            ["created_at", 4, "2026-11-25T01:59:41"],
        ],
        **fields,
    }  # fmt: skip


def events(*written: Any) -> dict[str, Any]:
    return message("event", list(written), priority="SAMPLE", publisher_id="telemetry.publisher.h1")


@pytest.fixture
def verifying() -> Converter:
    return replace(stock_converter(), secret=SECRET)


@pytest.mark.parametrize("kind", ["telemetry.polling", "telemetry.api"])
def test_what_a_polling_agent_sends_is_taken_as_it_is(kind: str) -> None:
    result = convert({**polled(metering()), "event_type": kind})

    assert result.samples == {"cpu": (590000000.0, "ns", "cumulative")}
    assert result.events == []
    resource = result.resource
    assert (resource.id, resource.project_id, resource.user_id) == ("i1", "p1", "u1")
    assert resource.metadata == {"display_name": "web-1"}


def test_a_metering_message_is_a_list_of_samples() -> None:
    written = message("metering", [metering(), metering(counter_name="vcpus")], priority="SAMPLE")

    assert set(convert(written).samples) == {"cpu", "vcpus"}


def test_published_events_keep_their_identity_and_types() -> None:
    result = convert(events(event()))

    assert (result.event.message_id, result.event.event_type) == ("e1", "volume.resize.end")
    assert result.traits == {
        "service": "volume.testhost@fake", "size": 2, "load": 0.5,
        "created_at": "2026-11-25T01:59:41+00:00",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("text", "payload.events[0]"),
        (event(message_id=None), "payload.events[0].message_id"),
        (event(generated="soon"), "payload.events[0].generated"),
        (event(traits={}), "payload.events[0].traits"),
        (event(traits=[["size", 2]]), "payload.events[0].traits[0]"),
        (event(traits=[["size", 7, 2]]), "payload.events[0].traits[0]"),
        (event(traits=[["size", 2, "big"]]), "payload.events[0].traits[0]"),
    ],
)
def test_a_bad_event_is_rejected_by_its_place_and_the_others_count(written: Any, path: str) -> None:
    result = convert(events(written, event(message_id="e2")))

    assert [one.message_id for one in result.events] == ["e2"]
    assert (result.reject.reason, result.reject.path) == ("schema", path)


def test_with_a_secret_only_signed_samples_and_events_count(verifying: Converter) -> None:
    result = convert(
        polled(signed(metering(), SECRET), metering(counter_name="forged")),
        events(signed(event(), SECRET), signed(event(message_id="e2"), "another")),
        by=verifying,
    )

    assert set(result.samples) == {"cpu"}
    assert [one.message_id for one in result.events] == ["e1"]
    assert [(one.reason, one.path) for one in result.batch.rejects] == [
        ("bad_signature", "payload.samples[1]"),
        ("bad_signature", "payload.events[1]"),
    ]
    assert "ceilometer.polling did not sign" in result.batch.rejects[0].detail
    assert result.tally.unsigned == {"ceilometer.polling": 1, "telemetry.publisher.h1": 1}


def test_what_is_sent_by_hand_is_signed_inside(verifying: Converter) -> None:
    listed = message("metering", [metering(counter_name="vcpus")], priority="SAMPLE")
    written = [polled(metering()), listed, events(event()), message("x.y", {"samples": [{}]})]
    sent = [signed_inside(one, SECRET) for one in written]
    result = convert(*sent, by=verifying)

    assert set(result.samples) == {"cpu", "vcpus"}
    assert next(one.message_id for one in result.events) == "e1"
    assert not result.batch.rejects
    assert sent[3] is written[3]


def test_notifications_of_services_need_no_signature(verifying: Converter) -> None:
    result = convert(message("image.send", {"image_id": "i", "bytes_sent": 5}), by=verifying)

    assert set(result.samples) == {"image.download", "image.serve"}
