"""What happens to resource types through the metric API: made, patched, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jsonpatch
import voluptuous as vol
from django.db import IntegrityError, transaction
from jsonpointer import JsonPointerException

from meters.attribute_types import TYPES
from meters.metric_api import making
from meters.metric_api.errors import bad_request, conflict, not_found
from meters.models import Resource, ResourceType
from meters.resource_types import (
    GENERIC,
    Definition,
    definitions,
    fillable_definitions,
    type_name,
)
from meters.store.attributes import change_attributes

MAX_OPERATIONS = 1000
#: POST /v1/resource_type
NEW_TYPE = vol.Schema(
    {vol.Required("name"): type_name, vol.Optional("attributes", default=dict): definitions}
)
#: PATCH /v1/resource_type/{name}
PATCH = vol.Schema(
    vol.All(
        [
            {
                vol.Required("op"): vol.Any("add", "remove"),
                vol.Required("path"): vol.All(
                    str, vol.Match(r"/attributes/[^/]+\Z", msg="not a valid value")
                ),
                vol.Optional("value"): dict,
            }
        ],
        vol.Length(max=MAX_OPERATIONS),
    )
)


def create(name: str, attributes: Mapping[str, Definition]) -> ResourceType:
    """Raises `ApiError`."""
    try:
        with transaction.atomic():
            return ResourceType.objects.create(name=name, attributes=attributes)
    except IntegrityError as error:
        raise conflict(f"Resource type {name} already exists") from error


@transaction.atomic
def delete(name: str) -> None:
    """Raises `ApiError`, also while resources are of this type."""
    kind = _locked(name)
    if name == GENERIC or Resource.objects.filter(type=name).exists():
        raise bad_request(f"Resource type {name} is still in use")
    kind.delete()


@transaction.atomic
def change(name: str, patch: Sequence[Mapping[str, Any]]) -> ResourceType:
    """Apply a patch to the type and to all its resources. Raises `ApiError`.

    What counts is the result of all operations: what is taken away and added again has changed.
    """
    kind = _locked(name)
    before: dict[str, Definition] = kind.attributes
    after = _patched(before, patch)
    if name == GENERIC and after:
        raise bad_request("Invalid input: Resource type generic has no attributes")
    fills = {}
    for attribute, definition in after.items():
        _check_type(name, attribute, before.get(attribute, definition), definition)
        fill = _fill(attribute, definition, before.get(attribute))
        if fill is not None:
            fills[attribute] = fill
    change_attributes(name, [one for one in before if one not in after], fills)
    kind.attributes = after
    kind.save()
    return kind


def _locked(name: str) -> ResourceType:
    """Until the transaction ends; resources are made and changed under the same lock."""
    making.lock_catalogue()
    kind: ResourceType | None = ResourceType.objects.select_for_update().filter(name=name).first()
    if kind is None:
        raise not_found(f"Resource type {name} does not exist")
    return kind


def _patched(
    before: Mapping[str, Definition], patch: Sequence[Mapping[str, Any]]
) -> dict[str, Definition]:
    """The attributes after the patch; those that it adds may have `options`."""
    try:
        patched = jsonpatch.apply_patch({"attributes": before}, patch)
    except (jsonpatch.JsonPatchException, JsonPointerException) as error:
        raise bad_request(str(error)) from error
    try:
        schema = vol.Schema({"attributes": fillable_definitions})
        found: dict[str, Definition] = schema(patched)["attributes"]
    except vol.Invalid as error:
        raise bad_request(f"Invalid input: {error}") from error
    return found


def _fill(name: str, after: Definition, before: Definition | None) -> Any:
    """What resources without the attribute get; None leaves them as they are."""
    fill = after.pop("options", {}).get("fill")
    if fill is None:
        if after["required"] and not (before and before["required"]):
            raise _bad_fill(name, "must not be empty if required=True")
        return None
    try:
        return TYPES[after["type"]].check(after)(fill)
    except vol.Invalid as error:
        raise _bad_fill(name, str(error)) from error


def _bad_fill(name: str, why: str) -> Exception:
    return bad_request(
        f"Invalid input: Option 'fill' of resource attribute {name} is invalid: {why}"
    )


def _check_type(name: str, attribute: str, before: Definition, after: Definition) -> None:
    if before["type"] != after["type"]:
        raise bad_request(
            f"Type update is not available yet. Changing {before['type']} to {after['type']} "
            f"for attribute {attribute} of resource {name}"
        )
