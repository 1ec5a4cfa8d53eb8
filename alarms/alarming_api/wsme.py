"""JSON into the fields of a struct as WSME reads it: texts become numbers, numbers flags.

What a field is comes from the struct itself, so that nothing stands in two places. Where WSME
would only find a value unreadable, its sentence repeats the whole body; so does ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from alarms.definition import Condition, GroupThreshold, ResourceThreshold
from meters.wsme.errors import bad, cut, invalid
from meters.wsme.values import (
    MISSING,
    UnreadableError,
    check_known,
    flag,
    listed,
    one_of,
    text,
    wrong,
)

#: What aodh insists on, though our own rules have a default for it.
_MANDATORY = {(ResourceThreshold, "resource_type"), (GroupThreshold, "resource_type")}
_NO_TYPE = "Query value or traits invalid: required key not provided @ data['type']"


def read(kind: type[msgspec.Struct], value: Any, path: str) -> dict[str, Any]:
    """The struct's fields that the object has, converted; null is absent.

    `path` is how the object is called in sentences. Raises `Fault` and `UnreadableError`.
    """
    if not isinstance(value, Mapping):
        raise UnreadableError(f"Value not a valid object: {cut(str(value))}")
    known = _fields(kind)
    check_known(value, known, path)
    found = {}
    for name, field in known.items():
        if value.get(name) is None:
            _check_absence(kind, field)
        else:
            found[name] = convert(name, field.type, value[name], f"{path}.{name}")
    return found


def convert(name: str, kind: inspect.Type, value: Any, path: str) -> Any:
    """One value. Raises `Fault` and `UnreadableError`."""
    match kind:
        case inspect.StrType():
            return text(name, value)
        case inspect.FloatType():
            return _float(name, value)
        case inspect.IntType():
            return _whole(name, kind, value)
        case inspect.BoolType():
            return flag(value)
        case inspect.LiteralType():
            return one_of(name, kind.values, value)
        case inspect.ListType():
            items = listed(value)
            return [convert(name, kind.item_type, item, path) for item in items]
        case inspect.StructType():
            return read(kind.cls, value, path)
    raise TypeError(f"no way to read a {kind}")


def _float(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong(name, float, value)
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise UnreadableError(cut(str(error))) from error


def _whole(name: str, kind: inspect.IntType, value: Any) -> int:
    if not isinstance(value, int | float | str):
        raise wrong(name, int, value)
    try:
        number = int(value)
    except (ValueError, OverflowError) as error:
        raise UnreadableError(cut(str(error))) from error
    if kind.ge is not None and number < kind.ge:
        raise invalid(name, value, f"Value should be greater or equal to {kind.ge}")
    if kind.le is not None and number > kind.le:
        raise invalid(name, value, f"Value should be lower or equal to {kind.le}")
    return number


def _check_absence(kind: type[msgspec.Struct], field: inspect.Field) -> None:
    if kind is Condition and field.name == "type":
        raise bad(_NO_TYPE)
    if field.required or (kind, field.name) in _MANDATORY:
        raise invalid(field.name, None, MISSING)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, inspect.Field]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return {field.name: field for field in info.fields}
