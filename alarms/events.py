"""How event alarms are decided: no clock, no database (alarms.md 2.5 with ours, 7.7)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from alarms.choices import State
from alarms.definition import Condition, EventRule
from alarms.matching import MISSING, holds
from alarms.rules import Verdict
from meters.wire import Event, Trait
from telemetry_site.clock import from_us

_TRAIT, _RAW = "traits.", "raw."
#: Types of traits on the OpenStack bus.
_NUMBERS = {"text": 1, "int": 2, "float": 3, "datetime": 4}


def matches(rule: EventRule, event: Event) -> bool:
    """The type as a shell's pattern over the whole of it, and every condition."""
    return fnmatchcase(event.event_type, rule.event_type) and all(
        holds(value_of(event, one.field), one) for one in rule.query
    )


def value_of(event: Event, field: str) -> Any:
    """Of ``traits.NAME``, ``raw.PATH``, ``event_type``, ``message_id``, ``generated``; else
    MISSING."""
    if field.startswith(_TRAIT):
        name = field.removeprefix(_TRAIT)
        found = [one for one in event.traits if one.name == name]
        return _typed(found[-1]) if found else MISSING
    if field.startswith(_RAW):
        return _within(event.raw, field.removeprefix(_RAW))
    if field == "generated":
        return from_us(event.generated)
    return getattr(event, field) if field in ("event_type", "message_id") else MISSING


def _typed(trait: Trait) -> Any:
    return from_us(int(trait.value)) if trait.type == "datetime" else trait.value


def _within(value: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return MISSING
        value = value[step]
    return value


def decide(previous: str, repeat: bool, rule: EventRule, event: Event) -> Verdict | None:
    """It only ever goes to alarm; there it stays silent, unless its actions are to repeat."""
    is_there = previous == State.ALARM
    if (is_there and not repeat) or not matches(rule, event):
        return None
    query = json.dumps(msgspec.to_builtins(rule.query), sort_keys=True)
    reason = (
        f"Event <id={event.message_id},event_type={event.event_type}> hits the query "
        f"<query={query}>."
    )
    data = {"type": "event", "event": as_document(event)}
    return Verdict(State.ALARM.value, not is_there, reason, data)


def as_document(event: Event) -> dict[str, Any]:
    """As it is on OpenStack's bus."""
    return {
        "message_id": event.message_id,
        "event_type": event.event_type,
        "generated": _time(event.generated),
        "traits": [[one.name, _NUMBERS[one.type], _shown(one)] for one in event.traits],
        "raw": event.raw,
    }


def _shown(trait: Trait) -> Any:
    return _time(int(trait.value)) if trait.type == "datetime" else trait.value


def _time(moment_us: int) -> str:
    return from_us(moment_us).replace(tzinfo=None).isoformat()


# --- many rules --------------------------------------------------------------------------------

_K = TypeVar("_K", bound=Hashable)


class _Keyed(NamedTuple):
    """A rule that wants a field to be equal to a text."""

    field: str
    value: str


class Index(Generic[_K]):
    """Which of many rules an event matches. A rule that wants a field to equal a text is looked up
    by that text, so a thousand rules for a thousand machines cost as much as one."""

    def __init__(self, rules: Iterable[tuple[_K, EventRule]]) -> None:
        self._keyed: dict[str, dict[str, list[tuple[_K, EventRule]]]] = defaultdict(dict)
        self._others: list[tuple[_K, EventRule]] = []
        for name, rule in rules:
            key = _key(rule.query)
            if key is None:
                self._others.append((name, rule))
            else:
                self._keyed[key.field].setdefault(key.value, []).append((name, rule))

    def matching(self, event: Event) -> Iterator[_K]:
        known: dict[Condition, bool] = {}
        fitting: dict[str, bool] = {}
        for name, rule in self._candidates(event):
            fits = fitting.get(rule.event_type)
            if fits is None:
                fits = fitting[rule.event_type] = fnmatchcase(event.event_type, rule.event_type)
            if fits and all(_holds(event, one, known) for one in rule.query):
                yield name

    def _candidates(self, event: Event) -> Iterator[tuple[_K, EventRule]]:
        yield from self._others
        for field, values in self._keyed.items():
            value = value_of(event, field)
            if isinstance(value, str):
                yield from values.get(value, ())
            else:
                for each in values.values():
                    yield from each


def _key(query: Iterable[Condition]) -> _Keyed | None:
    for one in query:
        if one.op == "eq" and one.type == "string":
            return _Keyed(one.field, one.value)
    return None


def _holds(event: Event, condition: Condition, known: dict[Condition, bool]) -> bool:
    """Rules have many conditions in common."""
    found = known.get(condition)
    if found is None:
        found = known[condition] = holds(value_of(event, condition.field), condition)
    return found
