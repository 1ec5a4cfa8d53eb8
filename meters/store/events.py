"""Writing events. Their identity is `message_id`: a second arrival changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db.backends.utils import CursorWrapper

from meters import wire
from telemetry_site.clock import from_us, to_us

INSERT = """
INSERT INTO meters_event (message_id, event_type, generated, project_id, user_id, traits,
                          trait_types, raw)
SELECT message_id, event_type, generated, project_id, user_id, traits::jsonb, trait_types::jsonb,
       raw::jsonb
FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[],
            %s::text[], %s::text[])
    AS asked (message_id, event_type, generated, project_id, user_id, traits, trait_types, raw)
ORDER BY message_id
ON CONFLICT (message_id) DO NOTHING
RETURNING message_id
"""
#: Called with new events in the transaction that stores them; what they raise undoes it.
LISTENERS: list[Callable[[Sequence[wire.Event]], None]] = []


def insert(cursor: CursorWrapper, events: Sequence[wire.Event]) -> list[wire.Event]:
    """Store the events; returns those that were new, in their order."""
    first: dict[str, wire.Event] = {}
    for event in events:
        first.setdefault(event.message_id, event)
    rows = [_row(event) for event in first.values()]
    cursor.execute(INSERT, [list(column) for column in zip(*rows, strict=True)])
    new = {row[0] for row in cursor}
    return [event for event_id, event in first.items() if event_id in new]


def announce(events: Sequence[wire.Event]) -> None:
    """Tell the listeners; within the transaction that stored them, after all of its other work."""
    if events:
        for listener in LISTENERS:
            listener(events)


def owner_of(event: wire.Event) -> str | None:
    """The project whose the event is."""
    traits = {trait.name: trait.value for trait in event.traits}
    return _owner(traits, "project_id", "tenant_id")


def _row(event: wire.Event) -> tuple[Any, ...]:
    traits = {trait.name: _value(trait) for trait in event.traits}
    types = {trait.name: trait.type for trait in event.traits}
    return (
        event.message_id,
        event.event_type,
        from_us(event.generated),
        _owner(traits, "project_id", "tenant_id"),
        _owner(traits, "user_id"),
        msgspec.json.encode(traits).decode(),
        msgspec.json.encode(types).decode(),
        msgspec.json.encode(event.raw).decode(),
    )


def as_sent(
    message_id: str, event_type: str, generated: datetime, traits: dict[str, Any],
    types: dict[str, Any], raw: dict[str, Any],
) -> wire.Event:  # fmt: skip
    """The event that was stored as this row."""
    sent = [
        wire.Trait(name, types[name], _from_stored(types[name], value))
        for name, value in traits.items()
    ]
    return wire.Event(message_id, event_type, to_us(generated), sent, raw)


def _from_stored(kind: str, value: Any) -> Any:
    return to_us(datetime.fromisoformat(value)) if kind == "datetime" else value


def _value(trait: wire.Trait) -> str | int | float:
    """A datetime as text whose order is the order of time."""
    if trait.type == "datetime":
        return from_us(int(trait.value)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return trait.value


def _owner(traits: dict[str, Any], *names: str) -> str | None:
    """The first of the named traits that says anything; it scopes the event."""
    for name in names:
        value = traits.get(name)
        if isinstance(value, str) and value:
            return value
    return None
