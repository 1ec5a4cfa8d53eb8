"""Samples of notifications whose shape no path can take apart: these are read by code.

- ``http.request``, ``http.response``: one delta of 1 for each request that a service's middleware
  tells of; who asked stands in the headers, as WSGI names them.
- ``hardware.ipmi.*``: what Ironic reads of its nodes' sensors, ``{"node_uuid", "timestamp",
  "payload": {type: {sensor: {"Sensor ID", "Sensor Reading": "21 (+/- 1) degrees C", …}}}}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from meters import wire
from pollers.notification.envelope import Notification
from pollers.notification.samples import (
    Outcome,
    Sample,
    Unusable,
    as_name,
    as_text,
    as_time,
    as_volume,
)
from pollers.scrub import Notes, scrubbed

HTTP = re.compile(r"http\.(request|response)")
IPMI = "hardware.ipmi."
SENSOR_TYPES = ("Temperature", "Current", "Fan", "Voltage", "Power")
#: Words of a reading for which there is a shorter unit.
UNITS = {"Watts": "W", "Volts": "V"}
#: What a sensor of type Current says that measures power: it is no current.
POWER_SENSOR = "Pwr Consumption"

_Make = Callable[[Notification, Outcome, Notes], None]


def apply_builtin(notification: Notification, outcome: Outcome, notes: Notes) -> None:
    """Add the samples of a notification of one of these kinds; others give none."""
    make = _maker(notification.event_type)
    if make is not None and notification.priority in ("info", "sample"):
        make(notification, outcome, notes)


def _maker(event_type: str) -> _Make | None:
    if event_type.startswith(IPMI):
        return _sensors
    return _request if HTTP.match(event_type) else None


# --- HTTP --------------------------------------------------------------------------------------


def _request(notification: Notification, outcome: Outcome, notes: Notes) -> None:
    payload = notification.payload
    headers = payload.get("request") if isinstance(payload, dict) else None
    if isinstance(headers, dict):
        outcome.attempt(partial(_one_request, notification, headers, notes))


def _one_request(notification: Notification, headers: dict[str, Any], notes: Notes) -> Sample:
    def header(name: str) -> str:
        return as_text(headers.get(name), f"payload.request.{name}", name)

    resource = as_name(
        headers.get("HTTP_X_SERVICE_NAME"), "payload.request.HTTP_X_SERVICE_NAME", "the service"
    )
    return Sample(
        meter=notification.event_type,
        type="delta",
        unit=notification.event_type.split(".")[1],
        volume=1.0,
        timestamp_us=notification.timestamp_us,
        resource=wire.Resource(
            id=resource,
            project_id=header("HTTP_X_PROJECT_ID") or None,
            user_id=header("HTTP_X_USER_ID") or None,
            metadata=_metadata(notification.payload, notification, notes),
        ),
    )


# --- sensors -----------------------------------------------------------------------------------


def _sensors(notification: Notification, outcome: Outcome, notes: Notes) -> None:
    for kind, name, reading in _readings(notification.payload):
        path = f"payload.payload.{kind}.{name}"
        outcome.attempt(partial(_one_sensor, kind, reading, path, notification, notes))


def _readings(payload: Any) -> Iterator[tuple[str, str, Any]]:
    """(type, sensor, what is said of it); a type that is not there has none."""
    inner = payload.get("payload") if isinstance(payload, dict) else None
    if not isinstance(inner, dict):
        return
    for kind in SENSOR_TYPES:
        sensors = inner.get(kind)
        if isinstance(sensors, dict):
            yield from ((kind, str(name), reading) for name, reading in sensors.items())


def _one_sensor(
    kind: str, reading: Any, path: str, notification: Notification, notes: Notes
) -> Sample | None:
    """None where the sensor is off, or measures something else than its type says."""
    if not isinstance(reading, dict):
        raise Unusable("a sensor must be an object", path)
    sensor = as_name(reading.get("Sensor ID"), f"{path}.Sensor ID", "Sensor ID")
    said = reading.get("Sensor Reading")
    if said == "Disabled" or (kind == "Current" and POWER_SENSOR in sensor):
        return None
    payload = notification.payload
    node = as_name(payload.get("node_uuid"), "payload.node_uuid", "node_uuid")
    volume, unit = _volume(said, f"{path}.Sensor Reading")
    time = payload.get("timestamp")
    return Sample(
        meter=f"{IPMI}{kind.lower()}",
        type="gauge",
        unit=unit,
        volume=volume,
        timestamp_us=(
            notification.timestamp_us if not time else as_time(time, "payload.timestamp")
        ),
        resource=wire.Resource(
            id=f"{node}-{sensor.lower().replace(' ', '_')}",
            project_id=as_text(payload.get("project_id"), "payload.project_id", "project") or None,
            user_id=as_text(payload.get("user_id"), "payload.user_id", "user") or None,
            type="ipmi_sensor",
            metadata=_metadata({**reading, "node": node}, notification, notes),
        ),
    )


def _volume(said: Any, path: str) -> tuple[float, str]:
    """Of "number (+/- x) unit": the number, and the last word as the unit."""
    words = said.split() if isinstance(said, str) else []
    if len(words) < 2:
        raise Unusable(f"{said!r:.80} is no reading of a sensor", path)
    return as_volume(words[0], path), UNITS.get(words[-1], words[-1])


def _metadata(payload: dict[str, Any], notification: Notification, notes: Notes) -> dict[str, Any]:
    payload_type = payload.get("event_type") or notification.event_type
    own = {"event_type": payload_type, "host": notification.publisher_id}
    return scrubbed({**payload, **own}, notes)
