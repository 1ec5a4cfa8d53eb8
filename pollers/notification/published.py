"""Samples and events that others' agents have made already, and publish on a bus.

- ``telemetry.polling`` (and ``telemetry.api``): ``{"samples": [metering message, …]}``; in
  ``metering`` the list alone. A metering message has `counter_name`, `counter_type`,
  `counter_unit`, `counter_volume`, `resource_id`, `timestamp`, `user_id`, `project_id`,
  `resource_metadata`, `source`.
- ``event``: a list of ``{"message_id", "event_type", "generated", "traits": [[name, type's code,
  value], …], "raw"}``.

A bad one is named by its place; the others count. Where a secret is set, each must carry the
signature that belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from meters import wire
from pollers.notification.envelope import Notification
from pollers.notification.events import CONVERT
from pollers.notification.packing import Tally
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
from pollers.scrub import Notes, scrubbed
from telemetry_site.signatures import is_signed, signed

SAMPLE_TYPES = frozenset({"telemetry.polling", "telemetry.api", "metering"})
EVENT_TYPES = frozenset({"event"})
#: Codes of a trait's type; 0 is "none", of which text is the nearest.
_TRAIT_TYPES: dict[Any, wire.TraitType] = {
    0: "text",
    1: "text",
    2: "int",
    3: "float",
    4: "datetime",
}


def apply_samples(
    notification: Notification, outcome: Outcome, tally: Tally, secret: str = ""
) -> None:
    for path, written in _written(notification, "samples", outcome, tally, secret):
        outcome.attempt(partial(_sample, written, path, tally.notes))


def apply_events(
    notification: Notification, outcome: Outcome, tally: Tally, secret: str = ""
) -> None:
    for path, written in _written(notification, "events", outcome, tally, secret):
        try:
            outcome.events.append(_event(written, path, tally.notes))
        except Unusable as error:
            outcome.failures.append(error)


def _written(
    notification: Notification, key: str, outcome: Outcome, tally: Tally, secret: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, what stands there) of each that is an object and signed as it must be."""
    payload = notification.payload
    listed = payload.get(key) if isinstance(payload, dict) else payload
    if not isinstance(listed, list):
        outcome.failures.append(Unusable(f"must be a list of {key}", f"payload.{key}"))
        return
    for place, written in enumerate(listed):
        path = f"payload.{key}[{place}]"
        if not isinstance(written, dict):
            outcome.failures.append(Unusable("must be an object", path))
        elif secret and not is_signed(written, secret):
            sender = notification.publisher_id or "a sender without name"
            tally.unsigned[sender] += 1
            text = f"{sender} did not sign with our secret"
            outcome.failures.append(Unusable(text, path, "bad_signature"))
        else:
            yield path, written


def signed_inside(message: dict[str, Any], secret: str) -> dict[str, Any]:
    """The notification, with every sample or event in it signed; others are as they were."""
    key = {**dict.fromkeys(SAMPLE_TYPES, "samples"), **dict.fromkeys(EVENT_TYPES, "events")}.get(
        message.get("event_type", "")
    )
    payload = message.get("payload")
    if key is None:
        return message
    if isinstance(payload, list):
        return {**message, "payload": _all_signed(payload, secret)}
    if isinstance(payload, dict) and isinstance(payload.get(key), list):
        return {**message, "payload": {**payload, key: _all_signed(payload[key], secret)}}
    return message


def _all_signed(written: list[Any], secret: str) -> list[Any]:
    return [signed(one, secret) if isinstance(one, dict) else one for one in written]


# --- samples -----------------------------------------------------------------------------------


def _sample(written: dict[str, Any], path: str, notes: Notes) -> Sample | None:
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


# --- events ------------------------------------------------------------------------------------


def _event(written: dict[str, Any], path: str, notes: Notes) -> wire.Event:
    traits = written.get("traits")
    raw = written.get("raw")
    if not isinstance(traits, list):
        raise Unusable("must be a list of traits", f"{path}.traits")
    return wire.Event(
        message_id=as_name(written.get("message_id"), f"{path}.message_id", "message_id"),
        event_type=as_name(written.get("event_type"), f"{path}.event_type", "event_type"),
        generated=as_time(written.get("generated"), f"{path}.generated"),
        traits=[_trait(one, f"{path}.traits[{row}]") for row, one in enumerate(traits)],
        raw=scrubbed(raw, notes, is_raw=True) if isinstance(raw, dict) else {},
    )


def _trait(written: Any, path: str) -> wire.Trait:
    if not isinstance(written, list) or len(written) != 3:
        raise Unusable("must be a list of name, type and value", path)
    name, code, value = written
    if isinstance(code, list | dict) or code not in _TRAIT_TYPES:
        raise Unusable(f"type {code!r:.80} is not one of 0…4", path)
    kind = _TRAIT_TYPES[code]
    try:
        return wire.Trait(as_name(name, path, "name of the trait"), kind, CONVERT[kind](value))
    except ValueError as error:
        raise Unusable(str(error), path) from error
