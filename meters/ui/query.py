"""What stands in the URL of a page. What can't be understood is a 400 page that names it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.core.exceptions import BadRequest
from django.http import HttpRequest

MAX_TEXT = 255
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def text(request: HttpRequest, name: str, default: str = "") -> str:
    """One value, at most 255 characters, no NUL (PostgreSQL can't hold it)."""
    values = request.GET.getlist(name)
    if len(values) > 1:
        raise BadRequest(f"{name}: given {len(values)} times, once is allowed")
    return _checked(name, values[0]) if values else default


def texts(request: HttpRequest, name: str) -> list[str]:
    """Every value of a repeated parameter, in the order given; an empty one keeps its place."""
    return [_checked(name, value) for value in request.GET.getlist(name)]


def _checked(name: str, value: str) -> str:
    value = value.strip()
    if len(value) > MAX_TEXT:
        raise BadRequest(f"{name}: {len(value)} characters, at most {MAX_TEXT} are allowed")
    if "\x00" in value:
        raise BadRequest(f"{name}: holds a NUL character")
    return value


def choice(request: HttpRequest, name: str, choices: Sequence[str], default: str = "") -> str:
    value = text(request, name) or default
    if value and value not in choices:
        raise BadRequest(f"{name}: {value!r} is not one of {', '.join(filter(None, choices))}")
    return value


def moment(request: HttpRequest, name: str) -> datetime | None:
    """ISO 8601 (without a zone: UTC) or seconds since the epoch."""
    value = text(request, name)
    if not value:
        return None
    parsed = _parse(name, value)
    if not EARLIEST <= parsed <= LATEST:
        raise BadRequest(f"{name}: {value!r} is not between 1970 and 2200")
    return parsed


def _parse(name: str, value: str) -> datetime:
    try:
        if value.replace(".", "", 1).isascii() and value.replace(".", "", 1).isdigit():
            return datetime.fromtimestamp(float(value), UTC)
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadRequest(
            f"{name}: {value!r} is not a time like 2026-11-25T04:00:00Z, nor seconds since 1970"
        ) from error


def uuids(request: HttpRequest, name: str, limit: int) -> tuple[UUID, ...]:
    """Every value of a repeated parameter, each once, in the order given."""
    values = list(dict.fromkeys(filter(None, request.GET.getlist(name))))
    if len(values) > limit:
        raise BadRequest(f"{name}: {len(values)} values, at most {limit} are allowed")
    try:
        return tuple(UUID(value) for value in values)
    except ValueError as error:
        raise BadRequest(f"{name}: {error!s}") from error
