"""Batches for tests, built the way agents build them."""

from __future__ import annotations

from typing import Any

from meters import wire
from pollers.batch import BatchBuilder
from telemetry_site.clock import now_us

SECOND = 1_000_000


def resource(name: str = "vm-1", **fields: Any) -> wire.Resource:
    fields = {"project_id": "p1", "user_id": "u1", "type": "instance", **fields}
    fields.setdefault("metadata", {"display_name": f"name of {name}"})
    return wire.Resource(name, **fields)


def batch_of(
    *samples: tuple[wire.Resource, str, float, int], agent_id: str = "compute.h1", **builder: Any
) -> wire.Batch:
    """One batch of (resource, meter, value, timestamp_us) gauges, plus reports and events."""
    building = BatchBuilder(agent_id)
    for one, meter, value, timestamp in samples:
        assert building.add(one, meter, value, timestamp, "B", "gauge")
    building.reports = builder.get("reports", [])
    building.events = builder.get("events", [])
    building.rejects = builder.get("rejects", [])
    (batch,) = building.batches()
    return batch


def report(
    source: str = "qemu:///system", slot: int | None = None, **fields: Any
) -> wire.PollReport:
    slot = slot or now_us()
    defaults: dict[str, Any] = {"duration_s": 0.1, "samples": 1, "interval_s": 10.0}
    return wire.PollReport("compute", source, slot, slot, **{**defaults, **fields})


def event(message_id: str = "", *traits: wire.Trait, **fields: Any) -> wire.Event:
    return wire.Event(
        message_id or wire.new_batch_id(),
        fields.get("event_type", "volume.create.end"),
        fields.get("generated", now_us()),
        list(traits),
    )
