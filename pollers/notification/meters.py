"""Samples from notifications: `meters.yaml` read, checked and applied.

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
from pathlib import Path
from typing import Any

from meters import wire
from pollers.notification.envelope import Notification
from pollers.notification.fields import Field, Notes, make_field
from pollers.notification.samples import (
    SAMPLE_TYPES,
    Outcome,
    Sample,
    Unusable,
    as_name,
    as_text,
    as_time,
    as_type,
    as_volume,
)
from pollers.notification.scrub import scrubbed, user_metadata
from telemetry_site.yamlfile import DefinitionError, Fault, Mapping, read_yaml

PRIORITIES = frozenset({"info", "sample"})

REQUIRED = ("name", "type", "event_type", "unit", "volume", "resource_id")
#: The attributes of a sample that a definition gives by path.
ATTRIBUTES = (
    "name", "type", "unit", "volume", "timestamp", "user_id", "project_id", "resource_id",
)  # fmt: skip
LITERALS = ("name", "type", "unit")
_KEYS = {*REQUIRED, *ATTRIBUTES, "metadata", "user_metadata", "lookup", "resource_type"}

_FALLBACK = {
    "user_id": ["ctxt.user_id", "ctxt.user"],
    "project_id": ["ctxt.project_id", "ctxt.tenant_id", "ctxt.project"],
}


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


def meter_files(places: Iterable[Path]) -> list[Path]:
    """The files of each place in order; a directory stands for its `*.yaml`, by name."""
    files: list[Path] = []
    for place in places:
        files += sorted(place.glob("*.yaml")) if place.is_dir() else [place]
    return files


def load_meters(
    files: Iterable[Path], options: Options | None = None
) -> tuple[MeterDefinitions, list[Fault]]:
    """Read the files. What is wrong is named and left out; the rest counts."""
    known: dict[str, MeterDefinition] = {}
    faults: list[Fault] = []
    for file in files:
        content, wrong = read_yaml(file)
        faults += wrong
        for name, definition in _one_file(content, str(file), options or Options(), faults).items():
            if name in known:
                text = f"meter {name!r} left out: {known[name].place} comes first"
                faults.append(Fault(str(file), int(definition.place.rpartition(":")[2]), text))
            else:
                known[name] = definition
    return MeterDefinitions(known.values()), faults


def _one_file(
    content: Any, file: str, options: Options, faults: list[Fault]
) -> dict[str, MeterDefinition]:
    made: dict[str, MeterDefinition] = {}
    for line, written in _entries(content, file, faults):
        try:
            definition = _definition(written, f"{file}:{line}", options)
        except DefinitionError as error:
            faults.append(Fault(file, error.line or line, f"definition left out: {error}"))
            continue
        earlier = made.pop(definition.name, None)
        if earlier is not None:
            text = f"meter {definition.name!r} left out: it stands again in line {line}"
            faults.append(Fault(file, int(earlier.place.rpartition(":")[2]), text))
        made[definition.name] = definition
    return made


def _entries(content: Any, file: str, faults: list[Fault]) -> list[tuple[int, Any]]:
    if content is None:
        return []
    metric = content.get("metric") if isinstance(content, dict) else None
    if not isinstance(metric, list):
        faults.append(Fault(file, 1, "must be a mapping with a list 'metric'"))
        return []
    return list(zip(getattr(metric, "lines", repeat(0)), metric, strict=False))


def _definition(written: Any, place: str, options: Options) -> MeterDefinition:
    if not isinstance(written, Mapping):
        raise DefinitionError("must be a mapping")
    missing = [key for key in REQUIRED if not written.get(key) and written.get(key) != 0]
    if missing:
        raise DefinitionError(f"required fields missing: {', '.join(missing)}", written.line)
    unknown = sorted(str(key) for key in written.keys() - _KEYS)
    if unknown:
        raise DefinitionError(f"unknown key {', '.join(unknown)}", written.line)
    lookup = _lookup(written)
    if "type" not in lookup and written["type"] not in SAMPLE_TYPES:
        text = f"type {written['type']!r} is not one of {', '.join(SAMPLE_TYPES)}"
        raise DefinitionError(text, written.line_of("type"))
    fields, literals = _attributes(written, lookup)
    return MeterDefinition(
        name=str(written["name"]),
        place=place,
        event_types=_event_types(written),
        fields=fields,
        literals=literals,
        fallbacks={name: make_field(paths, name) for name, paths in _FALLBACK.items()},
        metadata=_metadata_fields(written),
        user_metadata=_user_metadata_field(written),
        lookup=lookup,
        resource_type=str(written.get("resource_type") or "generic"),
        options=options,
    )


def _lookup(written: Mapping) -> frozenset[str]:
    lookup = written.get("lookup") or []
    names = [lookup] if isinstance(lookup, str) else lookup
    if not isinstance(names, list) or not set(map(str, names)) <= set(ATTRIBUTES):
        raise DefinitionError(
            f"'lookup' may list {', '.join(ATTRIBUTES)}", written.line_of("lookup")
        )
    return frozenset(names)


def _attributes(
    written: Mapping, lookup: frozenset[str]
) -> tuple[dict[str, Field], dict[str, str]]:
    """(fields, literals). What is no path at all (a unit `%`) can only be a literal."""
    fields: dict[str, Field] = {}
    literals = {
        name: written[name] for name in LITERALS if name not in lookup and _literal(written[name])
    }
    for name in ATTRIBUTES:
        if written.get(name) is None:
            continue
        try:
            fields[name] = make_field(written[name], name)
        except DefinitionError as error:
            if name not in literals:
                raise DefinitionError(str(error), error.line or written.line_of(name)) from error
            continue
        plugin = fields[name].plugin
        if lookup and plugin is not None and not plugin.many:
            raise DefinitionError(
                f"{name}: this plugin gives one value, but 'lookup' asks for several",
                written.line_of(name),
            )
    return fields, literals


def _literal(value: Any) -> bool:
    """Whether a name, type or unit may stand for itself: a text that is no path from the root."""
    return isinstance(value, str) and not value.lstrip().startswith("$")


def _event_types(written: Mapping) -> tuple[re.Pattern[str], ...]:
    event_types = written["event_type"]
    listed = event_types if isinstance(event_types, list) else [event_types]
    try:
        return tuple(re.compile(name) for name in listed)
    except (re.error, TypeError) as error:
        raise DefinitionError(
            f"'event_type' must be a regular expression or a list of them: {error}",
            written.line_of("event_type"),
        ) from error


def _metadata_fields(written: Mapping) -> dict[str, Field] | None:
    metadata = written.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise DefinitionError("'metadata' must be a mapping", written.line_of("metadata"))
    made = {}
    for name, path in metadata.items():
        try:
            made[str(name)] = make_field(path, f"metadata {name}")
        except DefinitionError as error:
            raise DefinitionError(str(error), error.line or metadata.line_of(name)) from error
    return made


def _user_metadata_field(written: Mapping) -> Field | None:
    if not written.get("user_metadata"):
        return None
    try:
        return make_field(written["user_metadata"], "user_metadata")
    except DefinitionError as error:
        raise DefinitionError(str(error), error.line or written.line_of("user_metadata")) from error
