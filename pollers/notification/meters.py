"""Samples from notifications by the definitions of `meters.yaml` (read in `meter_files`).

``metric:`` holds a list of definitions. Event types are regular expressions, anchored at the
start only. Every other value is tried as a path on the converted message; the literal `name`,
`type` and `unit` survive because a path like `volume.size` finds nothing there. Within a file the
last definition of a name wins, across files the first file.

With `lookup` one message gives many samples: the attributes listed there (and `name`) yield all
their matches; the others one value each, repeated.

Ours: `user_id` and `project_id` fall back to the request context where the message has none
(others mean to, but their expression finds nothing), and `resource_type` names the resource's
kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import repeat
from typing import Any

from meters import wire
from pollers.notification.envelope import Notification
from pollers.notification.fields import Field
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
from pollers.user_metadata import user_metadata

PRIORITIES = frozenset({"info", "sample"})

#: The attributes of a sample that a definition gives by path.
ATTRIBUTES = (
    "name", "type", "unit", "volume", "timestamp", "user_id", "project_id", "resource_id",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What the operator may set about samples from notifications."""

    source: str = "openstack"
    user_metadata_prefixes: tuple[str, ...] = ("metering.",)
    user_metadata_keys: tuple[str, ...] = ()
    user_metadata_length: int = 256


@dataclass(frozen=True)
class MeterDefinition:
    """One entry of the file. `place` is its file and line, for messages."""

    name: str
    place: str
    event_types: tuple[re.Pattern[str], ...]
    fields: dict[str, Field]
    literals: dict[str, str]
    fallbacks: dict[str, Field]
    metadata: dict[str, Field] | None
    user_metadata: Field | None
    lookup: frozenset[str] = frozenset()
    resource_type: str = "generic"
    options: Options = field(default_factory=Options)

    def fits(self, event_type: str) -> bool:
        return any(pattern.match(event_type) for pattern in self.event_types)

    def apply(self, notification: Notification, outcome: Outcome, notes: Notes) -> None:
        """Add to `outcome` what this definition makes of the message."""
        try:
            rows = list(self._rows(notification.message, notes))
        except Unusable as error:
            outcome.failures.append(error)
            return
        if not rows:
            return
        metadata = self._metadata(notification, notes)
        for row in rows:
            outcome.attempt(partial(self._sample, row, metadata, notification))

    def _rows(self, message: dict[str, Any], notes: Notes) -> Iterator[dict[str, Any]]:
        """One mapping attribute → value a sample."""
        if not self.lookup:
            yield {name: self._one(name, message, notes) for name in ATTRIBUTES}
            return
        columns = {name: self._column(name, message, notes) for name in ATTRIBUTES}
        count = len(columns["name"])
        spread = {name: self._spread(name, column, count) for name, column in columns.items()}
        if count:
            for values in zip(*spread.values(), strict=False):
                yield dict(zip(spread, values, strict=True))

    def _one(self, name: str, message: dict[str, Any], notes: Notes) -> Any:
        """The first value, else the literal, else that of the request context."""
        value = self.fields[name].first(message, notes) if name in self.fields else None
        if value is None:
            value = self.literals.get(name)
        if value is None and name in self.fallbacks:
            value = self.fallbacks[name].first(message, notes)
        return value

    def _column(self, name: str, message: dict[str, Any], notes: Notes) -> list[Any]:
        values = self.fields[name].all(message, notes) if name in self.fields else []
        if name == "name" or name in self.lookup:
            # A literal name finds nothing as a path; then it stands for itself, once.
            literal = self.literals.get(name) if name not in self.lookup else None
            return values if values or literal is None else [literal]
        if len(values) > 1:
            return values
        return [self._one(name, message, notes)]

    def _spread(self, name: str, column: list[Any], count: int) -> Iterable[Any]:
        if len(column) == count:
            return column
        if len(column) == 1 and name not in self.lookup:
            return repeat(column[0])
        if not count:
            return column
        raise Unusable(
            f"{self.place}: {len(column)} values of {name} for {count} meters named in the message",
            self._path(name),
        )

    def _sample(
        self, row: dict[str, Any], metadata: dict[str, Any], notification: Notification
    ) -> Sample | None:
        """None where the message has no volume."""
        if row["volume"] is None:
            return None
        time = row["timestamp"]
        timestamp_us = (
            notification.timestamp_us
            if time is None or time == ""
            else as_time(time, self._path("timestamp"))
        )
        meter = as_name(row["name"], self._path("name"), f"{self.place}: name of the meter")
        return Sample(
            meter=meter,
            type=as_type(row["type"], self._path("type")),
            unit=as_text(row["unit"], self._path("unit"), f"unit of {meter}"),
            volume=as_volume(row["volume"], self._path("volume")),
            timestamp_us=timestamp_us,
            resource=wire.Resource(
                id=as_name(row["resource_id"], self._path("resource_id"), f"resource of {meter}"),
                project_id=self._owner(row, "project_id"),
                user_id=self._owner(row, "user_id"),
                type=self.resource_type,
                metadata=metadata,
                source=self.options.source,
            ),
        )

    def _owner(self, row: dict[str, Any], name: str) -> str | None:
        return as_text(row[name], self._path(name), name) or None

    def _path(self, name: str) -> str:
        paths = self.fields[name].paths if name in self.fields else []
        return paths[0].text if paths else name

    def _metadata(self, notification: Notification, notes: Notes) -> dict[str, Any]:
        message = notification.message
        if self.metadata is None:
            payload = message["payload"] if isinstance(message["payload"], dict) else {}
            own = {"event_type": notification.event_type, "host": notification.publisher_id}
            made = {**payload, **own}
        else:
            found = {name: each.first(message, notes) for name, each in self.metadata.items()}
            made = {name: value for name, value in found.items() if value}
        if self.user_metadata is not None:
            kept = user_metadata(
                self.user_metadata.first(message, notes),
                self.options.user_metadata_prefixes,
                self.options.user_metadata_keys,
                self.options.user_metadata_length,
                made,
            )
            made |= {"user_metadata": kept} if kept else {}
        return scrubbed(made, notes)


class MeterDefinitions:
    def __init__(self, definitions: Iterable[MeterDefinition]) -> None:
        self.definitions = tuple(definitions)
        self.definitions_of = lru_cache(maxsize=4096)(self._definitions_of)

    def _definitions_of(self, event_type: str) -> tuple[MeterDefinition, ...]:
        return tuple(each for each in self.definitions if each.fits(event_type))

    def apply(self, notification: Notification, outcome: Outcome, notes: Notes) -> None:
        if notification.priority not in PRIORITIES:
            return
        for definition in self.definitions_of(notification.event_type):
            definition.apply(notification, outcome, notes)
