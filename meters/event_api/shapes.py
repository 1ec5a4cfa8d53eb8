"""How events and their traits look in answers: panko's fields."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from meters.models import Event

#: Types as they are stored → as they are called here, in the order in which lists have them.
TYPES = {"text": "string", "int": "integer", "float": "float", "datetime": "datetime"}
STORED = {shown: stored for stored, shown in TYPES.items()}


def event_json(event: Event) -> dict[str, Any]:
    return {
        "message_id": event.message_id,
        "event_type": event.event_type,
        "generated": event.generated.replace(tzinfo=None).isoformat(),
        "traits": list(traits_json(event)),
        "raw": event.raw,
    }


def traits_json(event: Event) -> Iterator[dict[str, str]]:
    """Sorted by name."""
    for name, value in sorted(event.traits.items()):
        kind = event.trait_types.get(name, "text")
        yield {"name": name, "value": value_text(kind, value), "type": TYPES[kind]}


def value_text(kind: str, value: Any) -> str:
    """Every value is a text; a time is UTC without a zone."""
    if kind == "float":
        return str(float(value))
    if kind == "datetime":
        return datetime.fromisoformat(value).replace(tzinfo=None).isoformat()
    return str(value)
