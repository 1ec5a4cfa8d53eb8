"""Bodies of archive policies and their rules, for voluptuous: its words are what clients know."""

from __future__ import annotations

from typing import Any

import voluptuous as vol

from meters.archive_policies import Item, is_method_entry, resolve_methods
from meters.metric_api.errors import bad_request
from meters.metric_api.schemas import text
from meters.timespans import TimespanError, timespan_us

LONGEST_NAME = 255
_LARGEST = 2**31 - 1

_text = vol.All(text, vol.Length(min=1, max=LONGEST_NAME))


def _name(value: Any) -> str:
    """Raises `ApiError` of what would be no address."""
    name: str = _text(value)
    if "/" in name:
        raise bad_request("'/' is not supported in archive policy and rule names")
    return name


def _span(value: Any) -> int:
    try:
        return timespan_us(value)
    except TimespanError as error:
        raise vol.Invalid(str(error)) from error


def _method(value: Any) -> str:
    if not isinstance(value, str) or not is_method_entry(value):
        raise vol.Invalid("not a valid value")
    return value


def _item(body: dict[str, Any]) -> Item:
    return Item(body.get("granularity"), body.get("points"), body.get("timespan"))


_ITEM = {
    "granularity": _span,
    "points": vol.All(vol.Coerce(int), vol.Range(min=1)),
    "timespan": _span,
}
_DEFINITION = {
    vol.Required("definition"): vol.All([vol.All(_ITEM, _item)], vol.Length(min=1)),
    "back_window": vol.All(vol.Coerce(int), vol.Range(min=0, max=_LARGEST)),
}

#: POST archive_policy
POLICY = vol.Schema(
    {
        vol.Required("name"): _name,
        vol.Optional("aggregation_methods", default=[]): vol.All(
            [_method], resolve_methods, vol.Length(min=1)
        ),
        **_DEFINITION,
    }
)
#: PATCH archive_policy/…
POLICY_CHANGE = vol.Schema(_DEFINITION)
#: POST archive_policy_rule
RULE = vol.Schema(
    {
        vol.Required("name"): _name,
        vol.Required("metric_pattern"): vol.All(text, vol.Length(max=LONGEST_NAME)),
        vol.Required("archive_policy_name"): text,
    }
)
#: PATCH archive_policy_rule/…
RULE_CHANGE = vol.Schema({vol.Required("name"): _name})
