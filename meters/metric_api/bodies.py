"""Request bodies: JSON, checked by a voluptuous schema."""

from __future__ import annotations

from typing import Any

import msgspec
import voluptuous

from meters.api.bodies import check_depth
from meters.metric_api.errors import invalid_input, undecodable


def decode(body: bytes) -> Any:
    """Strict JSON, no deeper than what is met in earnest. Raises `ApiError`."""
    check_depth(body)
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise undecodable() from error


def validate(schema: voluptuous.Schema, data: Any) -> Any:
    """What the schema makes of the data. Raises `ApiError` with the path to what is wrong."""
    try:
        return schema(data)
    except voluptuous.Invalid as error:
        raise invalid_input(error) from error
