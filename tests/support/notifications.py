"""Notifications as OpenStack services send them, and what conversion makes of them.

The payloads are those of real services (measured), with invented ids.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meters import wire
from pollers.notification.convert import Converter
from pollers.notification.events import load_events
from pollers.notification.loading import STOCK
from pollers.notification.meter_files import load_meters
from pollers.notification.packing import Tally
from telemetry_site.clock import from_us, now_us

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PROJECT = "p0000000000000000000000000000001"
USER = "u0000000000000000000000000000001"
INSTANCE = "6f1a2b3c-0000-4000-8000-000000000001"
VOLUME = "78e293a9-51d9-4de8-9d1f-d5e785f42e5b"
IMAGE = "87492c93-b1e6-4040-a251-74b2c8daf28d"
TIMESTAMP = "2026-11-25 02:00:16.697645"


def example(name: str) -> dict[str, Any]:
    """A file of docs/examples: the same that a reader sends by hand."""
    loaded: dict[str, Any] = json.loads((EXAMPLES / f"notification-{name}.json").read_text())
    return loaded


def instance(event_type: str = "compute.instance.create.end", **payload: Any) -> dict[str, Any]:
    message = example("instance-create-end")
    return {**message, "event_type": event_type, "payload": {**message["payload"], **payload}}


def volume(event_type: str = "volume.create.end", **payload: Any) -> dict[str, Any]:
    message = example("volume-create-end")
    return {**message, "event_type": event_type, "payload": {**message["payload"], **payload}}


def image(event_type: str = "image.upload", **payload: Any) -> dict[str, Any]:
    """Glance sends no request context."""
    measured = {
        "id": IMAGE, "name": "cirros-x", "status": "active", "created_at": "2026-11-25T01:55:18Z",
        "updated_at": "2026-11-25T01:55:18Z", "min_disk": 0, "min_ram": 0, "protected": False,
        "checksum": "a6bb7bde3251ca2d810d32dadd9e8ae7", "owner": PROJECT, "disk_format": "raw",
        "container_format": "bare", "size": 5000, "virtual_size": 5000, "is_public": True,
        "visibility": "public", "properties": {}, "tags": [], "deleted": False,
        "deleted_at": None, "os_glance_importing_to_stores": [], "os_glance_failed_import": [],
    }  # fmt: skip
    return message(event_type, {**measured, **payload}, publisher_id="image.localhost")


def object_request(*measurements: tuple[str, str, int], **payload: Any) -> dict[str, Any]:
    """(name, unit, result) each; the middleware sends no request context."""
    cadf = "http://schemas.dmtf.org/cloud/audit/1.0/event"
    measured = {
        "typeURI": cadf, "eventType": "activity", "id": "abe666cb-5712-5a35-9e71-66ceff9a715d",
        "eventTime": "2026-11-25T02:04:03.116543", "action": "update", "outcome": "success",
        "observer": {"id": "target"},
        "initiator": {"id": USER, "typeURI": "service/security/account/user",
                      "project_id": PROJECT},
        "target": {"id": PROJECT, "typeURI": "service/storage/object", "action": "put",
                   "metadata": {"path": f"v1/AUTH_{PROJECT}/c1/o1", "version": "v1",
                                "container": "c1", "object": "o1", "policy_idx": "0"}},
        "measurements": [
            {"result": result, "metric": {"metricId": f"m-{name}", "unit": unit, "name": name}}
            for name, unit, result in measurements
        ],
    }  # fmt: skip
    return message(
        "objectstore.http.request", {**measured, **payload}, publisher_id="ceilometermiddleware"
    )


def message(event_type: str, payload: Any, **fields: Any) -> dict[str, Any]:
    return {
        "message_id": "5c0c5523-b797-4535-8d84-618329bbef82",
        "publisher_id": "service.cmp01",
        "priority": "INFO",
        "event_type": event_type,
        "timestamp": TIMESTAMP,
        "payload": payload,
        **fields,
    }


def packed(inner: dict[str, Any], **fields: Any) -> wire.RawMessage:
    """In oslo's envelope, as it comes from the bus."""
    body = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode()
    return wire.RawMessage(body, **{"routing_key": "notifications.info", **fields})


def raw_batch(*messages: wire.RawMessage) -> wire.RawBatch:
    return wire.RawBatch(
        v=wire.VERSION,
        batch_id=wire.new_batch_id(),
        agent_id="notification.h1",
        created_at=now_us(),
        source="amqp://bus:5672/",
        messages=list(messages),
    )


@dataclass(frozen=True)
class Result:
    """A converted batch, readable."""

    batch: wire.Batch
    tally: Tally

    @property
    def samples(self) -> dict[str, tuple[float, str, str]]:
        """{meter: (volume, unit, type)}"""
        return {one["meter"]: (one["volume"], one["unit"], one["type"]) for one in self.rows}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Every sample with its time as text and its resource."""
        if self.batch.samples is None:
            return []
        catalogue = wire.decode_catalogue(self.batch.samples)
        columns = wire.decode_columns(self.batch.samples)
        rows = []
        cells = zip(
            columns.index.tolist(), columns.timestamp.tolist(), columns.value.tolist(), strict=True
        )
        for index, timestamp, value in cells:
            series = catalogue.series[index]
            rows.append(
                {
                    "meter": series.meter,
                    "unit": series.unit,
                    "type": series.type,
                    "volume": value,
                    "time": from_us(timestamp).isoformat(),
                    "resource": catalogue.resources[series.resource],
                }
            )
        return rows

    @property
    def resource(self) -> wire.Resource:
        """That of the only or first sample."""
        found: wire.Resource = self.rows[0]["resource"]
        return found

    @property
    def event(self) -> wire.Event:
        (event,) = self.events
        return event

    @property
    def events(self) -> list[wire.Event]:
        return self.batch.events.events if self.batch.events else []

    @property
    def traits(self) -> dict[str, Any]:
        """Of the only event; datetimes as ISO text."""
        return {
            trait.name: (
                from_us(int(trait.value)).isoformat() if trait.type == "datetime" else trait.value
            )
            for trait in self.event.traits
        }

    @property
    def reject(self) -> wire.Reject:
        (reject,) = self.batch.rejects
        return reject


_stock: list[Converter] = []


def stock_converter() -> Converter:
    if not _stock:
        events, event_faults = load_events([STOCK / "events.yaml"])
        meters, meter_faults = load_meters([STOCK / "meters.yaml"])
        assert not event_faults + meter_faults
        _stock.append(Converter(events, meters))
    return _stock[0]


def convert(*messages: dict[str, Any] | wire.RawMessage, by: Converter | None = None) -> Result:
    """Convert by the stock definitions (or `by`), and check that the collector would take it."""
    raw = raw_batch(*(one if isinstance(one, wire.RawMessage) else packed(one) for one in messages))
    batch, tally, _ = (by or stock_converter()).convert(raw)
    wire.decode_batch(wire.encode(batch))
    return Result(batch, tally)
