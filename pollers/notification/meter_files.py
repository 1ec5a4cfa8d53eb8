"""Files of meter definitions, read and checked: what is wrong is named by file, line and cause."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from typing import Any

from pollers.notification.fields import Field, make_field, make_fields
from pollers.notification.meters import ATTRIBUTES, MeterDefinition, MeterDefinitions, Options
from pollers.notification.samples import SAMPLE_TYPES
from telemetry_site.yamlfile import DefinitionError, Fault, Mapping, read_yaml

REQUIRED = ("name", "type", "event_type", "unit", "volume", "resource_id")
LITERALS = ("name", "type", "unit")
_KEYS = {*REQUIRED, *ATTRIBUTES, "metadata", "user_metadata", "lookup", "resource_type"}

_FALLBACK = {
    "user_id": ["ctxt.user_id", "ctxt.user"],
    "project_id": ["ctxt.project_id", "ctxt.tenant_id", "ctxt.project"],
}


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
        if not all(isinstance(name, str) for name in listed):
            raise TypeError("it is no text")
        return tuple(re.compile(name) for name in listed)
    except (re.error, TypeError, OverflowError, RecursionError) as error:
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
    return make_fields(metadata, "metadata")


def _user_metadata_field(written: Mapping) -> Field | None:
    if not written.get("user_metadata"):
        return None
    try:
        return make_field(written["user_metadata"], "user_metadata")
    except DefinitionError as error:
        raise DefinitionError(str(error), error.line or written.line_of("user_metadata")) from error
