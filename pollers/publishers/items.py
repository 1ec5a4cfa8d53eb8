"""What a batch holds, one by one, in the forms that others know.

The id of a sample follows from its identity (resource, meter, time): the same sample, delivered
twice, has the same id, so a receiver can tell.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from meters import wire
from pollers.samples import Sample as Sample
from telemetry_site.clock import from_us
from telemetry_site.signatures import FIELD, signed

SAMPLE_NAMESPACE = uuid.UUID("b3f4f2de-6a2f-4a63-9a0b-0f0a3c1c7c52")
_TRAIT_CODES = {"text": 1, "int": 2, "float": 3, "datetime": 4}


def samples_of(batch: wire.Batch) -> list[Sample]:
    """In the order of the batch. Raises `wire.WireError`."""
    if batch.samples is None:
        return []
    catalogue = wire.decode_catalogue(batch.samples)
    columns = wire.decode_columns(batch.samples)
    wire.check_index(columns, len(catalogue.series))
    series, resources = catalogue.series, catalogue.resources
    rows = zip(
        columns.index.tolist(), columns.timestamp.tolist(), columns.value.tolist(), strict=True
    )
    return [
        Sample(
            series[row].meter, series[row].type, series[row].unit, value, at,
            resources[series[row].resource],
        )
        for row, at, value in rows
    ]  # fmt: skip


def events_of(batch: wire.Batch) -> list[wire.Event]:
    return batch.events.events if batch.events else []


# --- samples -----------------------------------------------------------------------------------


def sample_dict(sample: Sample) -> dict[str, Any]:
    """As files and HTTP receivers get it."""
    return {
        "id": sample_id(sample),
        "name": sample.meter,
        "type": sample.type,
        "unit": sample.unit,
        "volume": sample.volume,
        **_measured(sample),
    }


def metering_message(sample: Sample, secret: str) -> dict[str, Any]:
    """As it goes over buses, UDP and TCP; without a secret the signature is empty."""
    message = {
        "message_id": sample_id(sample),
        "counter_name": sample.meter,
        "counter_type": sample.type,
        "counter_unit": sample.unit,
        "counter_volume": sample.volume,
        **_measured(sample),
    }
    return _signed(message, secret)


def _measured(sample: Sample) -> dict[str, Any]:
    """Of what and when, as both forms say it."""
    resource = sample.resource
    return {
        "source": resource.source,
        "user_id": resource.user_id,
        "user_name": None,
        "project_id": resource.project_id,
        "project_name": None,
        "resource_id": resource.id,
        "timestamp": _time(sample.timestamp_us),
        "resource_metadata": resource.metadata,
        "monotonic_time": None,
    }


def sample_id(sample: Sample) -> str:
    identity = f"{sample.resource.id}\n{sample.meter}\n{sample.timestamp_us}"
    return str(uuid.uuid5(SAMPLE_NAMESPACE, identity))


# --- events ------------------------------------------------------------------------------------


def event_dict(event: wire.Event) -> dict[str, Any]:
    return {
        "message_id": event.message_id,
        "event_type": event.event_type,
        "generated": _time(event.generated),
        "traits": [
            [trait.name, _TRAIT_CODES[trait.type], _trait_value(trait)] for trait in event.traits
        ],
        "raw": event.raw,
    }


def event_message(event: wire.Event, secret: str) -> dict[str, Any]:
    return _signed(event_dict(event), secret)


def _trait_value(trait: wire.Trait) -> str | int | float:
    return _time(int(trait.value)) if trait.type == "datetime" else trait.value


# --- both --------------------------------------------------------------------------------------


def _signed(message: dict[str, Any], secret: str) -> dict[str, Any]:
    return signed(message, secret) if secret else {**message, FIELD: ""}


def _time(micros: int) -> str:
    """UTC without a zone, always with microseconds, as others' pollsters write it."""
    moment: datetime = from_us(micros).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds")
