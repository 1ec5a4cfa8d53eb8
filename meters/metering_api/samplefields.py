"""What the complex query of samples may ask for, and where it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from meters.api.params import moment
from meters.metering_api.shapes import source_of
from meters.metering_api.stretches import Stretch
from meters.wsme.complexquery import AnyOf, Joined, Leaf, Negated, Node
from meters.wsme.errors import bad, cut
from telemetry_site.clock import to_us

ALIASES = {
    "meter": "counter_name", "type": "counter_type", "unit": "counter_unit",
    "volume": "counter_volume", "user": "user_id", "project": "project_id",
    "resource": "resource_id",
}  # fmt: skip
TEXTS: dict[str, Callable[[Stretch], str | None]] = {
    "counter_name": lambda one: one.series.name,
    "counter_type": lambda one: one.series.type,
    "counter_unit": lambda one: one.series.unit,
    "resource_id": lambda one: one.series.resource_id,
    "user_id": lambda one: one.revision.user_id,
    "project_id": lambda one: one.revision.project_id,
    "source": lambda one: source_of(one.revision),
    "message_signature": lambda one: "",  # checked when it comes, and not kept
}
OF_POINTS = ("counter_volume", "timestamp", "recorded_at", "message_id")


def canonical(field: str) -> str:
    return ALIASES.get(field, field)


def leaves_of(node: Node | None) -> Iterator[Leaf]:
    match node:
        case Joined(_, parts):
            for part in parts:
                yield from leaves_of(part)
        case Negated(part):
            yield from leaves_of(part)
        case AnyOf(leaves):
            yield from leaves
        case Leaf():
            yield node


def micros_of(leaf: Leaf) -> int:
    try:
        return to_us(moment(leaf.value if isinstance(leaf.value, str) else ""))
    except ValueError as error:
        raise bad(f"Failed to parse the timestamp value {cut(str(leaf.value))}") from error
