"""Rules in words."""

from __future__ import annotations

import json

from alarms.definition import (
    ClassicThreshold,
    CompositeRule,
    EventRule,
    GroupThreshold,
    Junction,
    MemberHealth,
    MetricsThreshold,
    Part,
    PromqlThreshold,
    ResourceThreshold,
    Rule,
    SubRule,
)

#: How each comparison reads in a sentence and as a sign.
WORDS: dict[str, str] = {
    "lt": "below", "le": "at or below", "eq": "equal to", "ne": "different from",
    "ge": "at or above", "gt": "above",
}  # fmt: skip
SIGNS: dict[str, str] = {"lt": "<", "le": "≤", "eq": "=", "ne": "≠", "ge": "≥", "gt": ">"}


def sentence(rule: Rule) -> str:
    """The rule in words: mean of cpu of resource web-1 above 80 for 3 periods of 60 s."""
    match rule:
        case CompositeRule():
            return _joined(rule.root)
        case EventRule():
            return f"an event {rule.event_type}" + _conditions(rule)
        case MemberHealth():
            return f"a member of load balancer pool {rule.pool_id} is in error"
        case PromqlThreshold():
            return f"{rule.query} {_comparison(rule)}"
        case ClassicThreshold():
            what = f"{rule.statistic} of {rule.meter_name}{_conditions(rule)}"
            return f"{what} {_comparison(rule)} {_periods(rule.evaluation_periods, rule.period)}"
        case MetricsThreshold():
            subject = f"{len(rule.metrics)} metrics together"
        case _:
            subject = f"{rule.metric} of {_subject(rule)}"
    periods = _periods(rule.evaluation_periods, rule.granularity)
    return f"{rule.aggregation_method} of {subject} {_comparison(rule)} {periods}"


def _joined(node: Junction | SubRule, is_inner: bool = False) -> str:
    if isinstance(node, SubRule):
        return sentence(node.rule)
    text = f" {node.operator} ".join(_joined(part, True) for part in node.parts)
    return f"({text})" if is_inner else text


def _conditions(rule: EventRule | ClassicThreshold) -> str:
    if not rule.query:
        return ""
    terms = (f"{one.field} {SIGNS[one.op]} {json.dumps(one.value)}" for one in rule.query)
    return f" with {' and '.join(terms)}"


def _comparison(rule: Part) -> str:
    return f"{WORDS[rule.comparison_operator]} {rule.threshold:.15g}"


def _periods(number: int, seconds: int) -> str:
    return f"for {number} periods of {seconds} s" if number > 1 else f"for 1 period of {seconds} s"


def _subject(rule: ResourceThreshold | GroupThreshold) -> str:
    if isinstance(rule, ResourceThreshold):
        return f"resource {rule.resource_id}"
    kind = "" if rule.resource_type == "generic" else f"{rule.resource_type} "
    condition = "" if rule.query.strip() == "{}" else f" with {rule.query}"
    return f"all {kind}resources{condition}"
