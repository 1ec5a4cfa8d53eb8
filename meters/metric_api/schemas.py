"""Bodies of metrics and resources, for voluptuous: its words are what clients know."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import voluptuous as vol

from meters.metric_api import times
from meters.metric_api.bodies import validate
from meters.metric_api.errors import bad_request
from meters.metric_api.ids import resource_uuid
from meters.metric_api.resources import MetricDefinition
from telemetry_site.clock import from_us

LONGEST_NAME = 255
LONGEST_UNIT = 31
LONGEST_OWNER = 255
#: What a text may be so that PostgreSQL stores it.
NUL = "\x00"


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise vol.TypeInvalid("expected str")
    if NUL in value:
        raise vol.Invalid("not a valid value")
    return value


def metric_name(value: Any) -> str:
    """Raises voluptuous' errors, and `ApiError` of what would be no address."""
    name: str = vol.Length(max=LONGEST_NAME)(text(value))
    if "/" in name:
        raise bad_request("'/' is not supported in metric name")
    return name


def resource_id(value: Any) -> str:
    """As it was sent, once it is known to be one."""
    resource_uuid(value, "")
    return str(value)


def moment(value: Any) -> Any:
    try:
        return from_us(times.to_us(value))
    except times.TimeError as error:
        raise vol.Invalid(f"unexpected timestamp '{error}'") from error


def identity(value: Any) -> UUID:
    try:
        return UUID(text(value))
    except ValueError as error:
        raise vol.Invalid("badly formed hexadecimal UUID string") from error


_owner = vol.Any(None, vol.All(text, vol.Length(max=LONGEST_OWNER)))
_DEFINITION = {
    "archive_policy_name": text,
    "unit": vol.All(text, vol.Length(max=LONGEST_UNIT)),
}


#: ``name`` is allowed beside the key that names the metric, and says nothing.
_NAMED = vol.Schema({**_DEFINITION, "name": text})


def _definition(value: Any) -> MetricDefinition:
    body = _NAMED(value)
    return MetricDefinition(body.get("archive_policy_name"), body.get("unit", ""))


def _metric(value: Any) -> UUID | MetricDefinition:
    return identity(value) if isinstance(value, str) else _definition(value)


#: POST /v1/metric
METRIC = vol.Schema({**_DEFINITION, "name": metric_name, "resource_id": resource_id})
#: POST …/metric
METRICS = vol.Schema({metric_name: _definition})
_RESOURCE = {
    "started_at": moment,
    "ended_at": vol.Any(None, moment),
    "user_id": _owner,
    "project_id": _owner,
    "metrics": {metric_name: _metric},
}


def resource_schema(attributes: dict[Any, Any], is_new: bool) -> vol.Schema:
    """`attributes` is the schema of the type's own."""
    return _resource_schema(attributes, is_new) if attributes else _GENERIC[is_new]


def _resource_schema(attributes: dict[Any, Any], is_new: bool) -> vol.Schema:
    own: dict[Any, Any] = {vol.Optional(key): check for key, check in _RESOURCE.items()}
    if is_new:
        own[vol.Required("id")] = resource_id
    return vol.Schema({**own, **attributes})


#: Of types without attributes; a schema takes longer to make than to use.
_GENERIC = {is_new: _resource_schema({}, is_new) for is_new in (False, True)}


#: POST /v1/aggregation/metric, and the ids of a GET.
METRIC_IDS = vol.Schema([identity])


def checked_name(name: str) -> str:
    """A metric's name. Raises `ApiError`."""
    return str(validate(vol.Schema(metric_name), name))
