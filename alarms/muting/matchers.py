"""Matchers in Alertmanager's form: ``{"name", "value", "isRegex", "isEqual"}``, all of them hold.

A label that an alarm has not is the empty text.
"""

from __future__ import annotations

from typing import Any

from alarms.errors import DefinitionError
from alarms.muting import patterns

LABELS = ("alarm_id", "name", "type", "severity", "metric", "resource_id")
_FIELDS = ("name", "value", "isRegex", "isEqual")
MAX_MATCHERS = 16
MAX_VALUE = 255

#: An alarm's labels, as an object.
OF_ALARM = """jsonb_build_object(
    'alarm_id', alarm.id::text, 'name', alarm.name, 'type', alarm.type,
    'severity', alarm.severity,
    'metric', coalesce(alarm.rule->>'metric', alarm.rule->>'meter_name', ''),
    'resource_id', coalesce(alarm.rule->>'resource_id', ''))"""


def fit(matchers: str, labels: str) -> str:
    """SQL: whether all of the matchers (an SQL expression) fit the labels (another)."""
    return f"""NOT EXISTS (
        SELECT FROM jsonb_to_recordset({matchers})
        AS matcher (name text, value text, "isRegex" boolean, "isEqual" boolean)
        WHERE CASE WHEN "isRegex" THEN {labels}->>matcher.name ~ {patterns.anchored("value")}
                   ELSE {labels}->>matcher.name = value END IS DISTINCT FROM "isEqual")"""


def agreeing(names: str, labels: str) -> str:
    """SQL: the values of the labels that are named (an SQL array), as a key."""
    return (
        f"ARRAY(SELECT {labels}->>name FROM unnest({names}) "
        "WITH ORDINALITY AS one (name, place) ORDER BY place)"
    )


def check(field: str, value: Any) -> list[dict[str, Any]]:
    """The matchers, each whole. Raises `DefinitionError`.

    One must not fit what is empty, so that nobody silences everything by a slip.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_MATCHERS:
        raise DefinitionError(field, f"must be a list of 1 to {MAX_MATCHERS} matchers")
    found = [_matcher(f"{field}[{place}]", one) for place, one in enumerate(value)]
    if all([_fits_empty(f"{field}[{place}].value", one) for place, one in enumerate(found)]):
        raise DefinitionError(field, "fit everything: one of them must ask for something")
    return found


def _matcher(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DefinitionError(field, f"must be an object with {', '.join(_FIELDS)}")
    for name in value:
        if name not in _FIELDS:
            raise DefinitionError(f"{field}.{name[:80]}", "is no field of a matcher")
    whole: dict[str, Any] = {"isRegex": False, "isEqual": True} | value
    for name in ("isRegex", "isEqual"):
        if not isinstance(whole[name], bool):
            raise DefinitionError(f"{field}.{name}", "must be true or false")
    if whole.get("name") not in LABELS:
        raise DefinitionError(f"{field}.name", f"must be one of {', '.join(LABELS)}")
    text = whole.get("value")
    if not isinstance(text, str) or "\0" in text or len(text) > MAX_VALUE:
        raise DefinitionError(
            f"{field}.value", f"must be a text of at most {MAX_VALUE} characters without NUL"
        )
    return {name: whole[name] for name in _FIELDS}


def _fits_empty(field: str, matcher: dict[str, Any]) -> bool:
    """Every pattern is asked, so that each is known to be good."""
    if matcher["isRegex"]:
        fits = patterns.fits_empty(field, matcher["value"])
    else:
        fits = matcher["value"] == ""
    return fits == bool(matcher["isEqual"])


def in_words(matchers: list[dict[str, Any]]) -> str:
    """``name="web", severity=~"low|moderate"``, as Alertmanager writes them."""
    return ", ".join(
        f'{one["name"]}{_SIGNS[one["isRegex"], one["isEqual"]]}"{one["value"]}"' for one in matchers
    )


_SIGNS = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
SIGNS = {sign: flags for flags, sign in _SIGNS.items()}
