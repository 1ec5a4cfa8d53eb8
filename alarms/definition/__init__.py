"""What an alarm's rule may be: the one place that checks it, for every door and the evaluator.

Fields, defaults and bounds are aodh's (alarms.md 1.5).
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from alarms.choices import Type
from alarms.definition.composite import (
    PARTS,
    CompositeRule,
    Junction,
    Part,
    SubRule,
    as_document,
    parse_composite,
)
from alarms.definition.conditions import Condition
from alarms.definition.fields import definition_error
from alarms.definition.others import EventRule, MemberHealth
from alarms.definition.threshold import (
    ClassicThreshold,
    GroupThreshold,
    MetricsThreshold,
    PromqlThreshold,
    ResourceThreshold,
)
from alarms.errors import DefinitionError

__all__ = [
    "PARTS", "RULES", "ClassicThreshold", "CompositeRule", "Condition", "EventRule",
    "GroupThreshold", "Junction", "MemberHealth", "MetricsThreshold", "Part", "PromqlThreshold",
    "ResourceThreshold", "Rule", "SeriesRule", "SubRule", "as_stored", "parse_rule",
    "parse_series_rule",
]  # fmt: skip

#: Rules whose values are those of a method over granularities of the series that they name.
SeriesRule = ResourceThreshold | GroupThreshold | MetricsThreshold
Plain = Part | EventRule | MemberHealth
Rule = Plain | CompositeRule
#: All types but `composite`, whose rule is no plain struct.
RULES: dict[str, type[Plain]] = {
    **PARTS,
    Type.EVENT: EventRule,
    Type.MEMBER_HEALTH: MemberHealth,
}
_R = TypeVar("_R", bound=Plain)


def parse_rule(alarm_type: str, rule: Any) -> Rule:
    """The rule as an object. Raises `DefinitionError` that names the field at fault."""
    if alarm_type != Type.COMPOSITE and alarm_type not in RULES:
        known = sorted(Type.values)
        fault = (
            f"Invalid input for field/attribute type. Value: '{alarm_type}'. "
            f"Value should be one of: {', '.join(known)}"
        )
        raise DefinitionError("type", f"must be one of {', '.join(known)}", fault)
    if not isinstance(rule, dict):
        raise DefinitionError("rule", "must be an object")
    if alarm_type == Type.COMPOSITE:
        return parse_composite(rule, _parse_part)
    return _parse(RULES[alarm_type], rule)


def parse_series_rule(alarm_type: str, rule: Any) -> SeriesRule:
    """As `parse_rule`, of a rule with a series to look at; another is a `DefinitionError`, too."""
    parsed = parse_rule(alarm_type, rule)
    if not isinstance(parsed, SeriesRule):
        raise DefinitionError("type", f"of an alarm of type {alarm_type} no values can be shown")
    return parsed


def as_stored(rule: Rule) -> dict[str, Any]:
    """The rule with every default filled in, as it is stored and shown."""
    if isinstance(rule, CompositeRule):
        return as_document(rule.root)
    stored: dict[str, Any] = msgspec.to_builtins(rule)
    return stored


def _parse_part(alarm_type: str, rule: dict[str, Any]) -> Part:
    return _parse(PARTS[alarm_type], rule)


def _parse(kind: type[_R], rule: dict[str, Any]) -> _R:
    try:
        parsed = msgspec.convert(rule, kind)
    except msgspec.ValidationError as error:
        raise definition_error("rule", str(error)) from error
    parsed.check()
    return parsed
