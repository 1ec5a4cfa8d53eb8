"""Which rows of statistics belong together, and what is counted in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from meters.metering_api.metadata import path_of
from meters.metering_api.shapes import source_of
from meters.metering_api.stretches import Stretch
from meters.wsme.errors import bad, unknown_argument

#: So many fields group at once.
MOST_FIELDS = 100
FUNCTIONS = ("max", "min", "sum", "avg", "count", "stddev", "cardinality")
_FIELDS: dict[str, Callable[[Stretch], str | None]] = {
    "user_id": lambda one: one.revision.user_id,
    "resource_id": lambda one: one.series.resource_id,
    "project_id": lambda one: one.revision.project_id,
    "source": lambda one: source_of(one.revision),
}


class Groups(NamedTuple):
    """`codes[i]` is the group of stretch i; of each group its unit and the values it stands for.

    Numbered as they first appeared (telemetry-api.md 4.3).
    """

    codes: list[int]
    units: list[str]
    values: list[dict[str, str | None]]


def check_groupby(fields: Sequence[str]) -> list[str]:
    """Each once. Raises `Fault`."""
    unknown = sorted({name for name in fields if name not in _FIELDS and path_of(name) is None})
    if unknown:
        shown = ", ".join(map(repr, unknown))
        raise unknown_argument(f"{{{shown}}}", ": Invalid groupby fields")
    found = list(dict.fromkeys(fields))
    if len(found) > MOST_FIELDS:
        raise bad(f"groupby names more than {MOST_FIELDS} fields")
    return found


def check_aggregates(
    functions: Sequence[str], parameters: Sequence[str]
) -> list[tuple[str, str]] | None:
    """(function, parameter), each pair once; None where the usual ones are meant."""
    found = []
    for function in functions:
        if function not in FUNCTIONS:
            raise bad(f"Invalid aggregation function: {function[:200]}")
    for function, parameter in zip(functions, parameters, strict=True):
        if function == "cardinality" and parameter not in _FIELDS:
            raise bad(f"Bad aggregate: cardinality.{parameter[:200] or None}")
        found.append((function, parameter if function == "cardinality" else ""))
    return list(dict.fromkeys(found)) or None


def paths(fields: Sequence[str]) -> tuple[str, ...]:
    """Of metadata, among the fields."""
    return tuple(path for path in map(path_of, fields) if path is not None)


def group(stretches: Sequence[Stretch], fields: Sequence[str]) -> Groups:
    """Samples of different units never go together."""
    places: dict[tuple[Any, ...], int] = {}
    found = Groups([], [], [])
    for one in stretches:
        values = {name: _value(one, name) for name in fields}
        place = places.setdefault((one.series.unit, *values.values()), len(places))
        if place == len(found.units):
            found.units.append(one.series.unit)
            found.values.append(values)
        found.codes.append(place)
    return found


def labels(
    stretches: Sequence[Stretch], aggregates: Sequence[tuple[str, str]] | None
) -> Mapping[str, list[int]]:
    """A number for each value of what is counted, -1 for none."""
    wanted = [parameter for name, parameter in aggregates or [] if name == "cardinality"]
    return {name: _numbered([_FIELDS[name](one) for one in stretches]) for name in wanted}


def _numbered(values: Sequence[str | None]) -> list[int]:
    numbers: dict[str, int] = {}
    return [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values]


def _value(one: Stretch, name: str) -> str | None:
    if name in _FIELDS:
        return _FIELDS[name](one)
    path = path_of(name)
    value = one.revision.metadata[path] if path is not None else None
    return None if value is None else str(value)
