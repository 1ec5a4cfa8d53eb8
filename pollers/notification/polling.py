"""Samples that a ceilometer polling agent sends: `telemetry.polling` (and `telemetry.api`).

Payload: ``{"samples": [metering message, …]}``, each with `counter_name`, `counter_type`,
`counter_unit`, `counter_volume`, `resource_id`, `timestamp`, `user_id`, `project_id`,
`resource_metadata`, `source`. A bad one is named by its place; the others count.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from meters import wire
from pollers.notification.envelope import Notification
from pollers.notification.fields import Notes
from pollers.notification.samples import (
    Outcome,
    Sample,
    Unusable,
    as_name,
    as_text,
    as_time,
    as_type,
    as_volume,
)
from pollers.notification.scrub import scrubbed

EVENT_TYPES = frozenset({"telemetry.polling", "telemetry.api"})


def apply_polling(notification: Notification, outcome: Outcome, notes: Notes) -> None:
    payload = notification.payload
    samples = payload.get("samples") if isinstance(payload, dict) else payload
    if not isinstance(samples, list):
        outcome.failures.append(Unusable("must be a list of samples", "payload.samples"))
        return
    for place, written in enumerate(samples):
        outcome.attempt(partial(_sample, written, f"payload.samples[{place}]", notes))


def _sample(written: Any, path: str, notes: Notes) -> Sample | None:
    if not isinstance(written, dict):
        raise Unusable("must be an object", path)
    if written.get("counter_volume") is None:
        return None
    return Sample(
        meter=as_name(written.get("counter_name"), f"{path}.counter_name", "counter_name"),
        type=as_type(written.get("counter_type"), f"{path}.counter_type"),
        unit=as_text(written.get("counter_unit"), f"{path}.counter_unit", "counter_unit"),
        volume=as_volume(written["counter_volume"], f"{path}.counter_volume"),
        timestamp_us=as_time(written.get("timestamp"), f"{path}.timestamp"),
        resource=_resource(written, path, notes),
    )


def _resource(written: dict[str, Any], path: str, notes: Notes) -> wire.Resource:
    metadata = written.get("resource_metadata")

    def text(key: str) -> str:
        return as_text(written.get(key), f"{path}.{key}", key)

    return wire.Resource(
        id=as_name(written.get("resource_id"), f"{path}.resource_id", "resource_id"),
        project_id=text("project_id") or None,
        user_id=text("user_id") or None,
        metadata=scrubbed(metadata, notes) if isinstance(metadata, dict) else {},
        source=text("source") or "openstack",
    )
