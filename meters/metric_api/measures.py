"""Bodies of measures: JSON to columns, and their errors in the reference's words (9.1, 11).

A well-formed body is decoded straight into typed rows; one that is not is looked at again, item by
item, to say what is wrong and where.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
import voluptuous

from meters.aggregation import Floats, Ints
from meters.metric_api import bodies
from meters.metric_api.errors import ApiError, refusal, undecodable
from meters.metric_api.times import TimeError, to_us_array

Path = tuple[str, ...]


class Measure(msgspec.Struct):
    """One item; other keys are ignored."""

    timestamp: float | str
    value: float | str | bool


class Definition(msgspec.Struct, forbid_unknown_fields=True):
    """The measures of a metric in a batch by resource, with what it is made of if need be."""

    measures: list[Measure]
    archive_policy_name: str | None = None
    unit: str | None = None


class Columns(NamedTuple):
    """Microseconds since the epoch, and finite values."""

    timestamps: Ints
    values: Floats


_measures = msgspec.json.Decoder(list[Measure])
_by_metric = msgspec.json.Decoder(dict[str, list[Measure]])
_by_resource = msgspec.json.Decoder(dict[str, dict[str, list[Measure] | Definition]])


Key = TypeVar("Key")
Other = TypeVar("Other")


class Batch(NamedTuple, Generic[Key]):
    """Measures of several metrics, one after the other: those of `keys[i]` are `lengths[i]` rows.

    Many have one row a metric, so nothing here is an array a metric.
    """

    keys: list[Key]
    lengths: list[int]
    columns: Columns

    def under(self, keys: list[Other]) -> Batch[Other]:
        """The same measures of metrics that are known by these."""
        return Batch(keys, self.lengths, self.columns)


class Wanted(NamedTuple):
    """A metric of a resource, and what it is made of if need be."""

    resource_id: str
    name: str
    policy_name: str | None = None
    unit: str = ""


def decode(body: bytes) -> Columns:
    """Of one metric. Raises `ApiError`."""
    try:
        rows = _measures.decode(body)
    except msgspec.ValidationError:
        rows = _checked(bodies.decode(body), ())
    except msgspec.DecodeError as error:
        raise undecodable() from error
    return _columns([((), rows)])


def decode_by_metric(body: bytes) -> Batch[str]:
    """Keys as they were sent. Raises `ApiError`."""
    try:
        found = _by_metric.decode(body)
    except msgspec.ValidationError:
        sent = _dictionary(bodies.decode(body), ())
        found = {key: _checked(rows, (key,)) for key, rows in sent.items()}
    except msgspec.DecodeError as error:
        raise undecodable() from error
    columns = _columns([((key,), rows) for key, rows in found.items()])
    return Batch(list(found), list(map(len, found.values())), columns)


def decode_by_resource(body: bytes) -> Batch[Wanted]:
    """Resources without metrics leave nothing. Raises `ApiError`."""
    try:
        found = _by_resource.decode(body)
    except msgspec.ValidationError:
        found = {
            key: {
                name: _checked_definition(one, (key, name))
                for name, one in _dictionary(metrics, (key,)).items()
            }
            for key, metrics in _dictionary(bodies.decode(body), ()).items()
        }
    except msgspec.DecodeError as error:
        raise undecodable() from error
    keys: list[Wanted] = []
    parts: list[tuple[Path, list[Measure]]] = []
    for key, metrics in found.items():
        for name, one in metrics.items():
            if isinstance(one, Definition):
                keys.append(Wanted(key, name, one.archive_policy_name, one.unit or ""))
                parts.append(((key, name), one.measures))
            else:
                keys.append(Wanted(key, name))
                parts.append(((key, name), one))
    return Batch(keys, [len(rows) for _, rows in parts], _columns(parts))


def _columns(parts: Sequence[tuple[Path, Sequence[Measure]]]) -> Columns:
    """The rows of all parts; they are converted at once where they are of one kind."""
    rows = list(chain.from_iterable(rows for _, rows in parts))
    kinds = {type(row.timestamp) for row in rows}
    try:
        if len(kinds) > 1:
            raise TimeError("Unable to convert timestamps")
        return _converted(rows)
    except (TimeError, _ValueError):
        found = [_part(path, rows) for path, rows in parts]
    return Columns(*map(np.concatenate, zip(*found, strict=True)))


class _ValueError(Exception):
    pass


def _converted(rows: Sequence[Measure]) -> Columns:
    times = to_us_array([row.timestamp for row in rows])
    try:
        values = np.array([float(row.value) for row in rows], dtype=np.float64)
    except ValueError as error:
        raise _ValueError from error
    if not np.isfinite(values).all():
        raise _ValueError
    return Columns(times, values)


def _part(path: Path, rows: Sequence[Measure]) -> Columns:
    try:
        return _converted(rows)
    except _ValueError as error:
        raise invalid_input("unexpected measures value", path) from error
    except TimeError as error:
        raise invalid_input(f"unexpected timestamp '{error}'", path) from error


# --- what is wrong with a body ------------------------------------------------------------------


def invalid_input(reason: str, path: Path, of_value: bool = True) -> ApiError:
    """`of_value`: it is the value of the path's last key that is wrong, not the key."""
    kind = "dictionary value" if of_value and path else None
    said = voluptuous.Invalid(reason, list(path), error_type=kind)
    return refusal("Invalid input", reason=str(said), detail=list(path))


def _dictionary(value: object, path: Path) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise invalid_input("expected a dictionary", path)
    return value


def _checked_definition(value: object, path: Path) -> Definition:
    if not isinstance(value, dict):
        return Definition(_checked(value, path))
    if not value:
        return Definition([])
    for key in value:
        if key not in Definition.__struct_fields__:
            raise invalid_input("extra keys not allowed", (*path, key), of_value=False)
    if "measures" not in value:
        raise invalid_input("required key not provided", (*path, "measures"), of_value=False)
    for key in ("archive_policy_name", "unit"):
        if key in value and not isinstance(value[key], str):
            raise invalid_input("expected str", (*path, key))
    rows = _checked(value["measures"], (*path, "measures"))
    return Definition(rows, value.get("archive_policy_name"), value.get("unit"))


def _checked(items: object, path: Path) -> list[Measure]:
    """The rows of what is no list of typed items; an empty object passes for an empty list."""
    if items == {}:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise invalid_input("unexpected measures format", path)
    for item in items:
        if "timestamp" not in item:
            raise invalid_input("unexpected measures format", path)
        if not isinstance(item["timestamp"], int | float | str) or item["timestamp"] is True:
            raise invalid_input("unexpected timestamp 'Unable to convert timestamps'", path)
        if not _is_value(item.get("value")):
            raise invalid_input("unexpected measures value", path)
    return [Measure(item["timestamp"], item["value"]) for item in items]


def _is_value(value: object) -> bool:
    if not isinstance(value, int | float | str):
        return False
    try:
        return math.isfinite(float(value))
    except (ValueError, OverflowError):
        return False
