"""What a resource type says of its resources' attributes, and what they are checked against."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import voluptuous as vol

from meters.attribute_types import TYPES
from meters.metric_api.bodies import validate
from meters.metric_api.errors import bad_request
from meters.models import STANDALONE, ResourceType
from meters.operations.literals import is_name, number_of

#: What is required and how each attribute is bounded, with all defaults.
Definition = dict[str, Any]

#: The type under which the resources of all types are found. It has no attributes.
GENERIC = "generic"
_ATTRIBUTE_NAME = re.compile(r"[a-zA-Z0-9][^\x00]{0,62}")
#: Keys that a resource's JSON has of its own.
RESERVED = frozenset({
    "id", "type", "metrics", "revision", "revision_start", "revision_end", "started_at", "ended_at",
    "user_id", "project_id", "created_by_user_id", "created_by_project_id", "get_metric", "creator",
    "original_resource_id",
})  # fmt: skip


# --- types -------------------------------------------------------------------------------------


def type_name(value: Any) -> str:
    """For schemas. Raises `ApiError` too, of a name that could not be asked for again."""
    if not isinstance(value, str):
        raise vol.TypeInvalid("expected str")
    if not is_name(value) or "/" in value or value == STANDALONE:
        raise bad_request(f"Invalid input: Resource type name {value} is invalid")
    return value


def _attribute_name(value: Any) -> str:
    if not isinstance(value, str):
        raise vol.TypeInvalid("expected str")
    if not _ATTRIBUTE_NAME.fullmatch(value) or value in RESERVED:
        raise bad_request(f"Invalid input: Resource attribute name {value} is invalid")
    return value


def _definition(value: Any, more: Mapping[Any, Any]) -> Definition:
    stated = vol.Schema({vol.Required("type"): vol.Any(*TYPES)}, extra=vol.ALLOW_EXTRA)(value)
    kind = TYPES[stated["type"]]
    schema = {"type": str, vol.Optional("required", default=True): bool, **kind.options, **more}
    found: Definition = vol.Schema(schema)(value)
    low, high = found.get(kind.low), found.get(kind.high)
    if low is not None and high is not None and low > high:
        raise bad_request(
            f"Invalid input: Resource attribute value min (or min_length) {low} "
            f"must be less  than or equal to max (or max_length) {high}!"
        )
    return found


#: For schemas: attributes as POST has them.
definitions = vol.Schema({_attribute_name: lambda value: _definition(value, {})})
#: As a patch has them: with what existing resources are to be filled with.
fillable_definitions = vol.Schema({
    _attribute_name: lambda value: _definition(
        value, {vol.Optional("options"): {vol.Optional("fill"): object}}
    )
})  # fmt: skip


def type_json(kind: ResourceType) -> dict[str, Any]:
    return {"name": kind.name, "attributes": kind.attributes, "state": "active"}


# --- attributes of a resource ------------------------------------------------------------------


def attribute_schema(kind: ResourceType, partial: bool) -> dict[Any, Any]:
    """By name; `partial` is what changes a resource. Its values are what is to be stored."""
    return {
        _key(name, definition, partial): TYPES[definition["type"]].check(definition)
        for name, definition in kind.attributes.items()
    }


def _key(name: str, definition: Definition, partial: bool) -> vol.Marker:
    return vol.Required(name) if definition["required"] and not partial else vol.Optional(name)


def check_attributes(
    kind: ResourceType, values: Mapping[str, Any], partial: bool
) -> dict[str, Any]:
    """What is to be stored of the values; checked ones pass unchanged. Raises `ApiError`."""
    schema = vol.Schema(attribute_schema(kind, partial))
    checked: dict[str, Any] = validate(schema, dict(values))
    return checked


def attributes_json(kind: ResourceType, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """All attributes of the type; None where the metadata has no value of an attribute's type."""
    return {
        name: _shown(definition, metadata.get(name)) for name, definition in kind.attributes.items()
    }


def _shown(definition: Definition, value: Any) -> Any:
    match TYPES[definition["type"]].json_kind:
        case "number":
            return None if isinstance(value, str) else number_of(value)
        case "boolean":
            return value if isinstance(value, bool) else None
        case _:
            return value if isinstance(value, str) else None
