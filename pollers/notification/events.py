"""Events: `event_definitions.yaml` read, checked and applied.

A list of `{event_type: wildcard or list of them, traits: {name: trait}}`; `!` in front of a
wildcard excludes, and only exclusions mean "all but these". **The last definition that fits is
the only one used**, over all files in their order. A trait is a path or `{type, fields, plugin}`.

An event is kept when one of its traits cannot be made: that trait is left out and noted. (Others
fail the whole event; but an empty date or a `"5.0"` for a whole number is what services send.)
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from meters import wire
from pollers.notification.envelope import Notification
from pollers.notification.fields import Field, make_field
from pollers.notification.times import parse_time
from pollers.scrub import Notes, scrubbed
from telemetry_site.yamlfile import DefinitionError, Fault, Mapping, read_yaml

#: The priorities that make events; messages of the others are counted and let go.
PRIORITIES = frozenset({"info", "error"})

_PROJECT = ["payload.tenant_id", "payload.project_id", "ctxt.project_id", "ctxt.project"]
#: In every event unless its definition has a trait of that name.
DEFAULT_TRAITS: dict[str, Any] = {
    "service": "publisher_id",
    "request_id": "ctxt.request_id",
    "project_id": [*_PROJECT, "ctxt.tenant_id"],
    "tenant_id": [*_PROJECT, "ctxt.tenant_id"],
    "user_id": ["payload.user_id", "ctxt.user_id", "ctxt.user"],
}

TRAIT_TYPES: tuple[wire.TraitType, ...] = get_args(wire.TraitType)
_INT64 = range(-(1 << 63), 1 << 63)


@dataclass(frozen=True)
class TraitDefinition:
    name: str
    type: wire.TraitType
    field: Field

    def trait(self, message: dict[str, Any], notes: Notes) -> wire.Trait | None:
        """None where there is no value, or (noted) none that fits the type."""
        value = self.field.first(message, notes)
        if value is None or (value == "" and self.type != "text"):
            return None
        try:
            return wire.Trait(self.name, self.type, CONVERT[self.type](value))
        except ValueError as error:
            notes[f"trait {self.name}: {error}"] += 1
            return None


def _text(value: Any) -> str:
    text = str(value)[: wire.MAX_NAME]
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    return text


def _int(value: Any) -> int:
    number = _float(value) if isinstance(value, str | float) else value
    if not isinstance(number, int | float) or int(number) not in _INT64:
        raise ValueError(f"{value!r:.80} is not a whole number of 64 bits")
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,19}\s*", value):
        return int(value)  # exact, where a float would round
    return int(number)


def _float(value: Any) -> float:
    if isinstance(value, str | int | float):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError(f"{value!r:.80} is not a finite number")


#: {type: what makes a trait's value of a message's; raises `ValueError`}.
CONVERT: dict[str, Callable[[Any], str | int | float]] = {
    "text": _text,
    "int": _int,
    "float": _float,
    "datetime": parse_time,
}


class EventDefinition:
    def __init__(self, event_types: list[str], traits: dict[str, TraitDefinition]) -> None:
        included = [name for name in event_types if not name.startswith("!")]
        excluded = [name[1:] for name in event_types if name.startswith("!")]
        self._included = _wildcards(included or ["*"])
        self._excluded = _wildcards(excluded)
        self.traits = traits

    def fits(self, event_type: str) -> bool:
        if self._excluded and self._excluded.match(event_type):
            return False
        return bool(self._included and self._included.match(event_type))


def _wildcards(names: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(translate(name) for name in names)) if names else None


class EventDefinitions:
    """The definitions of all files, in order. `store_raw`: priorities whose events keep all."""

    def __init__(
        self,
        definitions: list[EventDefinition],
        drop_unmatched: bool = False,
        store_raw: Iterable[str] = (),
    ) -> None:
        catch_all = [] if drop_unmatched else [EventDefinition(["*"], _default_traits())]
        self._definitions = [*reversed(definitions), *catch_all]
        self._store_raw = frozenset(name.lower() for name in store_raw)
        self.definition_of = lru_cache(maxsize=4096)(self._definition_of)

    def _definition_of(self, event_type: str) -> EventDefinition | None:
        return next((each for each in self._definitions if each.fits(event_type)), None)

    def event(self, notification: Notification, notes: Notes) -> wire.Event | None:
        """None where the priority makes no events or no definition fits."""
        if notification.priority not in PRIORITIES:
            return None
        definition = self.definition_of(notification.event_type)
        if definition is None:
            return None
        made = (each.trait(notification.message, notes) for each in definition.traits.values())
        return wire.Event(
            message_id=notification.message_id,
            event_type=notification.event_type,
            generated=notification.timestamp_us,
            traits=[trait for trait in made if trait is not None],
            raw=self._raw(notification, notes),
        )

    def _raw(self, notification: Notification, notes: Notes) -> dict[str, Any]:
        """The whole message, where its priority is to be kept and the store can hold it."""
        if notification.priority not in self._store_raw:
            return {}
        raw = scrubbed(notification.message, notes, is_raw=True)
        try:
            wire.check_metadata("raw", raw)
        except wire.WireError as error:
            notes[f"message not kept whole: {error}"] += 1
            return {}
        return raw


def _default_traits() -> dict[str, TraitDefinition]:
    return {name: _trait(name, fields) for name, fields in DEFAULT_TRAITS.items()}


def load_events(
    files: Iterable[Path], drop_unmatched: bool = False, store_raw: Iterable[str] = ()
) -> tuple[EventDefinitions, list[Fault]]:
    """Read the files in their order. What is wrong is named and left out; the rest counts."""
    definitions: list[EventDefinition] = []
    faults: list[Fault] = []
    for file in files:
        content, wrong = read_yaml(file)
        faults += wrong
        definitions += _definitions(content, str(file), faults)
    return EventDefinitions(definitions, drop_unmatched, store_raw), faults


def _definitions(content: Any, file: str, faults: list[Fault]) -> Iterable[EventDefinition]:
    if content is None:
        return
    if not isinstance(content, list):
        faults.append(Fault(file, 1, "must be a list of event definitions"))
        return
    for place, written in enumerate(content):
        line = getattr(content, "lines", {place: 0})[place]
        try:
            yield _definition(written, file, faults)
        except DefinitionError as error:
            faults.append(Fault(file, error.line or line, f"definition left out: {error}"))


def _definition(written: Any, file: str, faults: list[Fault]) -> EventDefinition:
    if not isinstance(written, Mapping):
        raise DefinitionError("must be a mapping with 'event_type' and 'traits'")
    missing = [key for key in ("event_type", "traits") if key not in written]
    if missing:
        raise DefinitionError(f"{' and '.join(missing)} missing", written.line)
    traits = written["traits"] or Mapping()
    if not isinstance(traits, Mapping):
        raise DefinitionError("'traits' must be a mapping", written.line_of("traits"))
    event_types = _event_types(written)
    made = _default_traits()
    for name, trait in traits.items():
        try:
            made[name] = _trait(name, trait)
        except DefinitionError as error:
            line = error.line or traits.line_of(name)
            faults.append(Fault(file, line, f"trait left out: {error}"))
    return EventDefinition(event_types, made)


def _event_types(written: Mapping) -> list[str]:
    event_types = written["event_type"]
    listed = event_types if isinstance(event_types, list) else [event_types]
    if not listed or not all(isinstance(name, str) and name for name in listed):
        raise DefinitionError(
            "'event_type' must be a wildcard or a list of them", written.line_of("event_type")
        )
    return listed


def _trait(name: Any, written: Any) -> TraitDefinition:
    if not isinstance(name, str) or not name or len(name) > wire.MAX_NAME:
        raise DefinitionError(f"{name!r:.80} is not a name")
    kind = written.get("type", "text") if isinstance(written, dict) else "text"
    if kind not in TRAIT_TYPES:
        raise DefinitionError(f"{name}: type {kind!r} is not one of {', '.join(TRAIT_TYPES)}")
    return TraitDefinition(name, kind, make_field(written, name))
