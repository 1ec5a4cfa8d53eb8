"""What an alarm's rule may be: the one place that checks it, for every door and the evaluator.

Fields, defaults and bounds are aodh's (alarms.md 1.5).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from alarms.choices import Type
from alarms.errors import DefinitionError
from meters.aggregation import is_method
from meters.search import SearchError, parse_search

Comparison = Literal["lt", "le", "eq", "ne", "ge", "gt"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Periods = Annotated[int, msgspec.Meta(ge=1, le=100)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=31_536_000)]

#: How each comparison reads in a sentence and as a sign.
WORDS: dict[str, str] = {
    "lt": "below", "le": "at or below", "eq": "equal to", "ne": "different from",
    "ge": "at or above", "gt": "above",
}  # fmt: skip
SIGNS: dict[str, str] = {"lt": "<", "le": "≤", "eq": "=", "ne": "≠", "ge": "≥", "gt": ">"}


class _Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`evaluation_periods` values of `granularity` seconds each are compared with `threshold`."""

    metric: Name
    aggregation_method: Name
    threshold: float
    comparison_operator: Comparison = "eq"
    evaluation_periods: Periods = 1
    granularity: Seconds = 60
    resource_type: Name = "generic"


class ResourceThreshold(_Threshold, frozen=True):
    """`metric` of one resource; `resource_id` is its UUID here or its id in its own world."""

    resource_id: Name


class GroupThreshold(_Threshold, frozen=True):
    """`metric` over all resources that `query` (a JSON search as text) finds."""

    query: str


Rule = ResourceThreshold | GroupThreshold
RULES: dict[str, type[Rule]] = {
    Type.RESOURCE_THRESHOLD: ResourceThreshold,
    Type.GROUP_THRESHOLD: GroupThreshold,
}
_WHERE = re.compile(r" - at `\$\.?(.*)`$")


def parse_rule(alarm_type: str, rule: Any) -> Rule:
    """The rule as an object. Raises `DefinitionError` that names the field at fault."""
    if alarm_type not in RULES:
        raise DefinitionError("type", f"must be one of {', '.join(sorted(RULES))}")
    if not isinstance(rule, dict):
        raise DefinitionError("rule", "must be an object")
    try:
        parsed: Rule = msgspec.convert(rule, RULES[alarm_type])
    except msgspec.ValidationError as error:
        raise _definition_error(str(error)) from error
    _check(parsed)
    return parsed


def _definition_error(text: str) -> DefinitionError:
    """msgspec's ``Expected `float`, got `str` - at `$.threshold```, by field."""
    where = _WHERE.search(text)
    missing = re.search(r"(?:required|unknown) field `(\w+)`", text)
    field = where[1] if where else missing[1] if missing else ""
    return DefinitionError(f"rule.{field}".rstrip("."), _WHERE.sub("", text))


def _check(rule: Rule) -> None:
    if not is_method(rule.aggregation_method):
        raise DefinitionError(
            "rule.aggregation_method",
            "must be mean, min, max, sum, count, first, last, std, median or 1pct … 99pct, "
            f"or one of them after rate:, not {rule.aggregation_method!r}",
        )
    if not abs(rule.threshold) < float("inf"):
        raise DefinitionError("rule.threshold", "must be a finite number")
    for name in ("metric", "resource_id", "resource_type", "query"):
        if "\0" in getattr(rule, name, ""):
            raise DefinitionError(f"rule.{name}", "holds a NUL character")
    if isinstance(rule, GroupThreshold):
        try:
            parse_search(rule.query)
        except SearchError as error:
            raise DefinitionError("rule.query", str(error)) from error


def sentence(rule: Rule) -> str:
    """The rule in words: mean of cpu of resource web-1 above 80 for 3 periods of 60 s."""
    periods = f"{rule.evaluation_periods} periods" if rule.evaluation_periods > 1 else "1 period"
    return (
        f"{rule.aggregation_method} of {rule.metric} of {_subject(rule)} "
        f"{WORDS[rule.comparison_operator]} {rule.threshold:.15g} "
        f"for {periods} of {rule.granularity} s"
    )


def _subject(rule: Rule) -> str:
    if isinstance(rule, ResourceThreshold):
        return f"resource {rule.resource_id}"
    kind = "" if rule.resource_type == "generic" else f"{rule.resource_type} "
    condition = "" if rule.query.strip() == "{}" else f" with {rule.query}"
    return f"all {kind}resources{condition}"
