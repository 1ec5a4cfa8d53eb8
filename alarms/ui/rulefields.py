"""The fields of each type's rule in the form: what was typed as a rule, and a rule as typed.

A new type of alarm is a line in `FIELDS`, and its fields in the template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import yaml

from alarms.choices import Type
from alarms.errors import DefinitionError
from alarms.ui import conditions, filters
from alarms.ui.typed import Typed
from telemetry_site.yamlfile import UNREADABLE

Rule = dict[str, Any]

#: Fields of rules that the form asks for under their own names, and how an empty form has them.
BLANK: dict[str, str] = {
    "metric": "", "resource_id": "", "query": "", "resource_type": "generic", "metrics": "",
    "aggregation_method": "mean", "comparison_operator": "gt", "threshold": "",
    "evaluation_periods": "1", "granularity": "60",
    "statistic": "avg", "conditions": "", "exclude_outliers": "",
    "expression": "", "document": "",
    "event_type": "*", "pool_id": "", "stack_id": "", "autoscaling_group_id": "",
}  # fmt: skip


class RuleFields(NamedTuple):
    """`label` is the type's in the form, `begun` the field without which nothing can be shown yet.
    `names`: the form's name of a rule's field where it has another; that of "" stands for all."""

    label: str
    begun: str
    read: Callable[[Typed], Rule]
    typed: Callable[[Rule], dict[str, Any]]
    names: Mapping[str, str] = {}


def _compared(form: Typed) -> Rule:
    return {
        "comparison_operator": form.values["comparison_operator"],
        "threshold": form.number("threshold", float, "a number"),
    }


def _over_periods(form: Typed) -> Rule:
    return _compared(form) | {
        "aggregation_method": form.values["aggregation_method"],
        "evaluation_periods": form.number("evaluation_periods", int, "a whole number"),
        "granularity": form.number("granularity", int, "a whole number of seconds"),
    }


def _resource(form: Typed) -> Rule:
    metric = form.require("metric", "Which meter?")
    return _over_periods(form) | {
        "metric": metric,
        "resource_id": form.require("resource_id", "Which resource?"),
        "resource_type": form.values["resource_type"] or "generic",
    }


def _metrics(form: Typed) -> Rule:
    form.require("metrics", "Which metrics?")
    return _over_periods(form) | {"metrics": form.lines("metrics")}


def _group(form: Typed) -> Rule:
    metric = form.require("metric", "Which meter?")
    return _over_periods(form) | {
        "metric": metric,
        "resource_type": form.values["resource_type"] or "generic",
        "query": form.read("query", filters.to_search),
    }


def _classic(form: Typed) -> Rule:
    meter = form.require("metric", "Which meter?")
    return _compared(form) | {
        "meter_name": meter,
        "statistic": form.values["statistic"],
        "evaluation_periods": form.number("evaluation_periods", int, "a whole number"),
        "period": form.number("granularity", int, "a whole number of seconds"),
        "query": form.read("conditions", conditions.to_conditions),
        "exclude_outliers": form.values["exclude_outliers"] == "on",
    }


def _promql(form: Typed) -> Rule:
    return _compared(form) | {"query": form.require("expression", "Which expression?")}


def _composite(form: Typed) -> Rule:
    form.require("document", "Which conditions?")
    found = form.read("document", _from_yaml)
    return found if isinstance(found, dict) else {}


def _event(form: Typed) -> Rule:
    return {
        "event_type": form.values["event_type"] or "*",
        "query": form.read("conditions", conditions.to_conditions),
    }


def _members(form: Typed) -> Rule:
    return {
        "pool_id": form.require("pool_id", "Which pool?"),
        "stack_id": form.require("stack_id", "Which stack?"),
        "autoscaling_group_id": form.require("autoscaling_group_id", "Which group?"),
    }


def _from_yaml(text: str) -> Rule:
    try:
        events = yaml.parse(text, Loader=yaml.CSafeLoader)
        if any(isinstance(event, yaml.AliasEvent) for event in events):
            raise DefinitionError("rule", "may not refer to an anchor: write it out")
        found = yaml.load(text, Loader=yaml.CSafeLoader)
    except UNREADABLE as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        words = getattr(error, "problem", None) or "it can't be read"
        raise DefinitionError("rule", f"is no YAML{where}: {words}") from error
    if not isinstance(found, dict):
        raise DefinitionError("rule", 'must begin with "and:" or "or:"')
    return found


def _as_yaml(rule: Rule) -> str:
    text: str = yaml.safe_dump(rule, sort_keys=False, allow_unicode=True)
    return text.rstrip()


def _own(rule: Rule) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name in BLANK}


#: In the order in which the form offers them.
FIELDS: dict[str, RuleFields] = {
    Type.RESOURCE_THRESHOLD: RuleFields("One resource", "metric", _resource, _own),
    Type.GROUP_THRESHOLD: RuleFields(
        "A group of resources", "metric", _group,
        lambda rule: _own(rule) | {"query": filters.to_lines(rule["query"])},
    ),
    Type.METRICS_THRESHOLD: RuleFields(
        "Several metrics", "metrics", _metrics,
        lambda rule: _own(rule) | {"metrics": "\n".join(rule["metrics"])},
    ),
    Type.CLASSIC_THRESHOLD: RuleFields(
        "A meter's statistics", "metric", _classic,
        lambda rule: {
            **_own({name: value for name, value in rule.items() if name != "query"}),
            "metric": rule["meter_name"],
            "granularity": rule["period"],
            "conditions": conditions.to_lines(rule["query"]),
            "exclude_outliers": "on" if rule["exclude_outliers"] else "",
        },
        {"meter_name": "metric", "period": "granularity", "query": "conditions"},
    ),
    Type.PROMETHEUS: RuleFields(
        "A PromQL expression", "expression", _promql,
        lambda rule: _own({name: value for name, value in rule.items() if name != "query"})
        | {"expression": rule["query"]},
        {"query": "expression"},
    ),
    Type.COMPOSITE: RuleFields(
        "Several conditions", "document", _composite,
        lambda rule: {"document": _as_yaml(rule)},
        {"": "document"},
    ),
    Type.EVENT: RuleFields(
        "An event", "event_type", _event,
        lambda rule: {
            "event_type": rule["event_type"], "conditions": conditions.to_lines(rule["query"]),
        },
        {"query": "conditions"},
    ),
    Type.MEMBER_HEALTH: RuleFields("A load balancer's members", "pool_id", _members, _own),
}  # fmt: skip
