"""Single JSON values as WSME reads them: texts become numbers, numbers flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meters.wsme.errors import Fault, bad, cut, invalid
from meters.wsme.words import NO, YES

MISSING = "Mandatory field missing."


class UnreadableError(ValueError):
    """A value that can't be converted; the text is WSME's."""


def check_known(value: Mapping[str, Any], known: Any, path: str) -> None:
    unknown = [str(name) for name in value if name not in known]
    if unknown:
        raise bad(f"Unknown attribute for argument {path}: {cut(', '.join(unknown))}")


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise wrong(name, str, value)
    return value


def wrong(name: str, wanted: type, value: Any) -> Fault:
    return invalid(name, value, f"Wrong type. Expected '{wanted}', got '{type(value)}'")


def flag(value: Any) -> bool:
    """Raises `UnreadableError`."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in YES or word in NO:
        return word in YES
    raise UnreadableError(f"Value not an unambiguous boolean: {cut(str(value))}")


def is_yes(word: str) -> bool:
    """What is no word of consent is a no."""
    return word.strip().lower() in YES


def one_of(name: str, values: Any, value: Any) -> str:
    if value not in values:
        raise invalid(name, value, f"Value should be one of: {', '.join(map(str, values))}")
    return str(value)


def listed(value: Any) -> list[Any]:
    """Raises `UnreadableError`."""
    if not isinstance(value, list):
        raise UnreadableError(f"Value not a valid list: {cut(str(value))}")
    return value
