"""What ceilometer and our converter made of a message, in one form that can be compared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.compat.conversion.comparison import Made
from tests.support.notifications import Result

TRAIT_TYPES = {1: "text", 2: "int", 3: "float", 4: "datetime"}


def of_ceilometer(gave: dict[str, Any]) -> Made:
    """A sample that leaves by several sinks is one."""
    made: dict[str, dict[str, Any]] = {}
    for sample in gave["samples"]:
        _put(
            made,
            sample["name"],
            {
                "type": sample["type"],
                "unit": sample["unit"],
                "volume": float(sample["volume"]),
                "resource_id": sample["resource_id"],
                "project_id": sample["project_id"],
                "user_id": sample["user_id"],
                "timestamp": moment(sample["timestamp"]),
                "source": sample["source"],
                **_metadata(sample["resource_metadata"]),
            },
        )
    for event in gave["events"]:
        made["event"] = {
            "message_id": event["message_id"],
            "event_type": event["event_type"],
            "generated": moment(event["generated"]),
        }
        for name, code, value in event["traits"]:
            shown = moment(value) if code == 4 else value
            made[f"trait {name}"] = {"type": TRAIT_TYPES[code], "value": shown}
    return made


def of_ours(result: Result) -> Made:
    made: dict[str, dict[str, Any]] = {}
    for row in result.rows:
        resource = row["resource"]
        _put(
            made,
            row["meter"],
            {
                "type": row["type"],
                "unit": row["unit"],
                "volume": row["volume"],
                "resource_id": resource.id,
                "project_id": resource.project_id,
                "user_id": resource.user_id,
                "timestamp": moment(row["time"]),
                "source": resource.source,
                **_metadata(resource.metadata),
            },
        )
    for event in result.events:
        made["event"] = {
            "message_id": event.message_id,
            "event_type": event.event_type,
            "generated": _micros(event.generated),
        }
        for trait in event.traits:
            value = _micros(int(trait.value)) if trait.type == "datetime" else trait.value
            made[f"trait {trait.name}"] = {"type": trait.type, "value": value}
    return made


def _put(made: dict[str, dict[str, Any]], meter: str, sample: dict[str, Any]) -> None:
    """Samples of one meter are told apart by their resources' names."""
    name, number = f"sample {meter}", 1
    while name in made and made[name]["resource_id"] != sample["resource_id"]:
        number += 1
        name = f"sample {meter} ({number})"
    made[name] = sample


def _metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    return {f"metadata.{key}": value for key, value in metadata.items()}


def moment(text: str) -> str:
    """UTC, whether or not a zone was said."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _micros(micros: int) -> str:
    return (
        datetime.fromtimestamp(micros // 1_000_000, UTC)
        .replace(microsecond=micros % 1_000_000)
        .isoformat()
    )
