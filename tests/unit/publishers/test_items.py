"""The forms in which samples and events go out."""

from __future__ import annotations

import json

from pollers.publishers.items import (
    event_dict,
    event_message,
    metering_message,
    sample_dict,
    sample_id,
    samples_of,
)
from telemetry_site.signatures import is_signed
from tests.support.batches import batch_of, resource
from tests.support.published import AT_US, event, sample


def test_a_batch_gives_its_samples_in_order_each_with_an_id_that_stays() -> None:
    one, two = resource("vm-1"), resource("vm-2")
    rows = [(one, "a", 1.0, AT_US), (two, "b", 2.0, AT_US), (one, "a", 3.0, AT_US + 1)]
    found = samples_of(batch_of(*rows))

    assert [(each.resource, each.meter, each.volume, each.timestamp_us) for each in found] == rows
    again = samples_of(batch_of(*rows))
    assert [*map(sample_id, again)] == [*map(sample_id, found)]
    assert len({*map(sample_id, found)}) == 3


def test_the_dictionary_of_a_sample() -> None:
    made = sample(type="cumulative")

    assert sample_dict(made) == {
        "id": sample_id(made), "name": "cpu", "type": "cumulative", "unit": "ns", "volume": 1.5,
        "user_id": "u1", "user_name": None, "project_id": "p1", "project_name": None,
        "resource_id": "r1", "timestamp": "2026-11-25T02:00:00.250000",
        "resource_metadata": {"n": 1}, "source": "openstack", "monotonic_time": None,
    }  # fmt: skip


def test_the_metering_message_and_its_signature() -> None:
    made = sample(metadata={"flavor": {"id": "42"}, "tags": ["a", "b"], "none": None})
    message = metering_message(made, "s3cret")

    assert set(message) == {
        "source", "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id",
        "user_name", "project_id", "project_name", "resource_id", "timestamp",
        "resource_metadata", "message_id", "monotonic_time", "message_signature",
    }  # fmt: skip
    assert is_signed(json.loads(json.dumps(message)), "s3cret")
    assert metering_message(made, "")["message_signature"] == ""


def test_an_event() -> None:
    made = event_dict(event())

    assert made == {
        "message_id": "e1", "event_type": "volume.create.end",
        "generated": "2026-11-25T02:00:00.250000",
        "traits": [
            ["service", 1, "volume.h"], ["size", 2, 2], ["load", 3, 0.5],
            ["created_at", 4, "2026-11-25T02:00:00.250000"],
        ],
        "raw": {"payload": {"volume_id": "e1"}},
    }  # fmt: skip
    assert is_signed(event_message(event(), "s3cret"), "s3cret")
