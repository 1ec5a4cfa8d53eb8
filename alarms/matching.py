"""Whether a value fulfils a condition of a rule: no database (alarms.md 2.5, ours).

Both sides are read as the condition's type says, or as the value's own type where it says none.
What can't be read so fulfils nothing; of a value that is missing only "different from" is true.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from alarms.definition.conditions import Condition
from alarms.rules import COMPARE
from meters.wsme.typed import converted


class Missing(Enum):
    MISSING = "missing"


MISSING = Missing.MISSING


def holds(value: Any, condition: Condition) -> bool:
    if value is MISSING or value is None:
        return condition.op == "ne"
    kind = condition.type or _kind_of(value)
    try:
        left, right = _read(value, kind), _read(condition.value, kind)
    except (ValueError, OverflowError):
        return False
    return bool(COMPARE[condition.op](left, right))


def _kind_of(value: Any) -> str:
    """Lists and objects have none: they fulfil nothing."""
    for known, kind in _KINDS:
        if isinstance(value, known):
            return kind
    return "none"


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"), (int, "integer"), (float, "float"), (datetime, "datetime"), (str, "string"),
)  # fmt: skip


def _read(value: Any, kind: str) -> Any:
    """Raises `ValueError`."""
    if kind not in _READERS:
        raise ValueError(kind)
    return _READERS[kind](value)


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None).isoformat()
        case int() | float():
            return str(value)
    raise ValueError


def _integer(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    if isinstance(value, int | float):
        return int(value)
    whole: int = converted(_text(value), "integer")
    return whole


def _float(value: Any) -> float:
    number: float = converted(_text(value), "float")
    return number


def _boolean(value: Any) -> bool:
    flag: bool = converted(_text(value), "boolean")
    return flag


def _datetime(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(_text(value))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


_READERS: dict[str, Callable[[Any], Any]] = {
    "string": _text, "integer": _integer, "float": _float, "boolean": _boolean,
    "datetime": _datetime,
}  # fmt: skip
