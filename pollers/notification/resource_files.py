"""gnocchi_resources.yaml read and checked: what is wrong is named by file and line and left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from meters import wire
from pollers.notification.fields import make_fields
from pollers.notification.resource_rules import EventRule, ResourceRules, SampleRule
from telemetry_site.yamlfile import (
    DefinitionError,
    Fault,
    Mapping,
    Sequence,
    read_yaml,
    unknown_keys,
)

_FILE_KEYS = {"archive_policy_default", "archive_policies", "resources"}
_KINDS: tuple[tuple[str, wire.ChangeKind], ...] = (
    ("event_create", "create"), ("event_delete", "end"), ("event_update", "update"),
)  # fmt: skip
_KEYS = {
    "resource_type", "metrics", "attributes", "archive_policy", "event_attributes",
    "event_associated_resources", *(key for key, _ in _KINDS),
}  # fmt: skip
_METRIC_KEYS = {"archive_policy_name"}


@dataclass
class _Reading:
    file: Path
    faults: list[Fault]
    default_policy: str = ""
    samples: dict[str, SampleRule] = field(default_factory=dict)
    events: list[EventRule] = field(default_factory=list)

    def fault(self, line: int, text: str) -> None:
        self.faults.append(Fault(str(self.file), line, text))


def load_resource_rules(file: Path) -> tuple[ResourceRules, list[Fault]]:
    content, faults = read_yaml(file)
    reading = _Reading(file, faults)
    if isinstance(content, Mapping) and isinstance(content.get("resources"), Sequence):
        reading.faults += unknown_keys(reading.file, content, _FILE_KEYS, "a file of resources")
        reading.default_policy = str(content.get("archive_policy_default") or "")
        listed = content["resources"]
        for written, line in zip(listed, listed.lines, strict=True):
            try:
                _entry(reading, written, line)
            except DefinitionError as error:
                reading.fault(error.line or line, f"resource left out: {error}")
    elif not faults:
        reading.fault(1, "must be a mapping with a list 'resources'")
    return ResourceRules(reading.samples, reading.events), faults


def _entry(reading: _Reading, written: Any, line: int) -> None:
    if not isinstance(written, Mapping):
        raise DefinitionError("must be a mapping", line)
    missing = [key for key in ("resource_type", "metrics") if written.get(key) is None]
    if missing:
        raise DefinitionError(f"Required field {missing[0]} not specified", line)
    kind = written["resource_type"]
    if not isinstance(kind, str) or not 0 < len(kind) <= wire.MAX_NAME:
        raise DefinitionError(f"{kind!r:.80} is no type", written.line_of("resource_type"))
    reading.faults += unknown_keys(reading.file, written, _KEYS, f"resource {kind!r}")
    attributes = make_fields(_mapping(written, "attributes"), "attribute")
    rules = {
        meter: SampleRule(kind, attributes, policy)
        for meter, policy in _metrics(reading, written, kind).items()
    }
    event = _event_rule(written, kind)
    reading.samples |= rules
    reading.events += [event] if event is not None else []


def _metrics(reading: _Reading, written: Mapping, kind: str) -> dict[str, str]:
    """{meter: archive policy}."""
    listed = written["metrics"]
    if isinstance(listed, Sequence):
        listed = dict.fromkeys(map(str, listed))
    if not isinstance(listed, dict):
        line = written.line_of("metrics")
        raise DefinitionError("Required field metrics should be a list or a mapping", line)
    every = written.get("archive_policy")
    if every is not None:
        text = f"resource {kind!r}: 'archive_policy' counts for all its metrics; name it with each"
        reading.fault(written.line_of("archive_policy"), text)
    made = {}
    for meter, more in listed.items():
        own = more.get("archive_policy_name") if isinstance(more, dict) else None
        if isinstance(more, Mapping):
            reading.faults += unknown_keys(reading.file, more, _METRIC_KEYS, f"metric {meter!r}")
        made[str(meter)] = str(every or own or reading.default_policy)
    return made


def _event_rule(written: Mapping, kind: str) -> EventRule | None:
    patterns = [(pattern, change) for key, change in _KINDS for pattern in _patterns(written, key)]
    if not patterns:
        return None
    attributes = _mapping(written, "event_attributes")
    line = written.line_of("event_attributes")
    if not isinstance(attributes.get("id"), str):
        raise DefinitionError("'event_attributes' must say which trait is the id", line)
    if not all(isinstance(trait, str) for trait in attributes.values()):
        raise DefinitionError("'event_attributes' must name traits", line)
    return EventRule(kind, tuple(patterns), dict(attributes), _associated(written))


def _patterns(written: Mapping, key: str) -> list[str]:
    value = written.get(key)
    listed = value if isinstance(value, list) else [value] if value is not None else []
    if not all(isinstance(one, str) and one for one in listed):
        raise DefinitionError(f"'{key}' must be a wildcard or a list of them", written.line_of(key))
    return listed


def _associated(written: Mapping) -> tuple[tuple[str, str], ...]:
    """(type, attribute) of each search ``{"=": {attribute: "%s"}}``."""
    key = "event_associated_resources"
    searches = _mapping(written, key)
    found = []
    for kind, search in searches.items():
        attribute = _equal_to_id(search)
        if not attribute:
            raise DefinitionError(
                f'\'{key}\': {search!r:.80} is not \'{{"=": {{"attribute": "%s"}}}}\'',
                searches.line_of(kind),
            )
        found.append((str(kind), attribute))
    if len(found) > wire.MAX_ASSOCIATED:
        raise DefinitionError(f"'{key}': at most {wire.MAX_ASSOCIATED}", written.line_of(key))
    return tuple(found)


def _equal_to_id(search: Any) -> str:
    """The attribute that a search compares with the id; empty for any other search."""
    try:
        read = msgspec.json.decode(search)
    except (msgspec.MsgspecError, TypeError):
        return ""
    compared = read.get("=") if isinstance(read, dict) and len(read) == 1 else None
    if not isinstance(compared, dict) or list(compared.values()) != ["%s"]:
        return ""
    return str(next(iter(compared)))


def _mapping(written: Mapping, key: str) -> Mapping:
    value = written.get(key)
    if value is None:
        return Mapping()
    if not isinstance(value, Mapping):
        raise DefinitionError(f"'{key}' must be a mapping", written.line_of(key))
    return value
