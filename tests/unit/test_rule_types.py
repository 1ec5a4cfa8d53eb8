"""Rules of every type of aodh: fields, defaults, bounds, sentences (alarms.md 1.5, 1.6)."""

from __future__ import annotations

from typing import Any

import pytest

from alarms import lifecycle
from alarms.choices import Type
from alarms.definition import (
    RULES,
    ClassicThreshold,
    CompositeRule,
    EventRule,
    as_stored,
    parse_rule,
    parse_series_rule,
)
from alarms.definition.words import sentence
from alarms.errors import DefinitionError

VALUES = {"aggregation_method": "mean", "threshold": 1.0}
#: The least that each type needs.
LEAST: dict[str, dict[str, Any]] = {
    "gnocchi_resources_threshold": VALUES | {"metric": "cpu", "resource_id": "vm-1"},
    "gnocchi_aggregation_by_metrics_threshold": VALUES | {"metrics": ["m1", "m2"]},
    "gnocchi_aggregation_by_resources_threshold": VALUES | {"metric": "cpu", "query": "{}"},
    "threshold": {"meter_name": "cpu", "threshold": 1.0},
    "prometheus": {"query": "up", "threshold": 1.0},
    "event": {},
    "loadbalancer_member_health": {"pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"},
}
WORDS = {
    "gnocchi_aggregation_by_metrics_threshold":
        "mean of 2 metrics together equal to 1 for 1 period of 60 s",
    "threshold": "avg of cpu equal to 1 for 1 period of 60 s",
    "prometheus": "up equal to 1",
    "event": "an event *",
    "loadbalancer_member_health": "a member of load balancer pool p is in error",
}  # fmt: skip
SUB = {"type": "gnocchi_resources_threshold", **LEAST["gnocchi_resources_threshold"]}
CONDITION = {"field": "traits.state", "op": "eq", "value": "error", "type": "string"}


def fault(kind: str, rule: dict[str, Any]) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        parse_rule(kind, rule)
    return caught.value


def test_every_type_but_the_composite_is_a_struct() -> None:
    assert RULES.keys() | {"composite"} == set(Type.values)
    assert RULES.keys() == LEAST.keys()


@pytest.mark.parametrize("kind", sorted(LEAST))
def test_the_least_is_enough_and_reads_back_the_same(kind: str) -> None:
    rule = parse_rule(kind, LEAST[kind])
    assert parse_rule(kind, as_stored(rule)) == rule
    assert sentence(rule) == WORDS.get(kind, sentence(rule))


@pytest.mark.parametrize("kind", sorted(LEAST))
def test_a_field_of_another_type_is_unknown(kind: str) -> None:
    assert fault(kind, LEAST[kind] | {"colour": 1}).field == "rule.colour"


def test_defaults_are_aodhs() -> None:
    assert parse_rule("threshold", LEAST["threshold"]) == ClassicThreshold(
        meter_name="cpu", threshold=1.0, statistic="avg", comparison_operator="eq",
        evaluation_periods=1, period=60, query=[], exclude_outliers=False,
    )  # fmt: skip
    assert parse_rule("event", {}) == EventRule(event_type="*", query=[])


@pytest.mark.parametrize(
    ("kind", "change", "field"),
    [
        ("gnocchi_aggregation_by_metrics_threshold", {"metrics": []}, "rule.metrics"),
        ("gnocchi_aggregation_by_metrics_threshold", {"metrics": ["\0"]}, "rule.metrics"),
        ("threshold", {"statistic": "mean"}, "rule.statistic"),
        ("threshold", {"period": 0}, "rule.period"),
        ("threshold", {"evaluation_periods": 0}, "rule.evaluation_periods"),
        ("threshold", {"threshold": float("nan")}, "rule.threshold"),
        ("threshold", {"query": [CONDITION | {"field": "timestamp"}]}, "rule.query"),
        ("prometheus", {"query": " "}, "rule.query"),
        ("prometheus", {"granularity": 60}, "rule.granularity"),
        ("prometheus", {"threshold": float("inf")}, "rule.threshold"),
        ("event", {"query": [CONDITION | {"op": "like"}]}, "rule.query[0].op"),
        ("event", {"query": [CONDITION | {"type": "text"}]}, "rule.query[0].type"),
        ("event", {"query": [CONDITION | {"type": "datetime"}]}, "rule.query[0].type"),
        ("event", {"query": [CONDITION | {"field": "traits.a b"}]}, "rule.query[0].field"),
        ("event", {"query": [CONDITION | {"type": "integer"}]}, "rule.query[0].value"),
        ("event", {"query": [CONDITION | {"type": "boolean"}]}, "rule.query[0].value"),
        ("event", {"query": [CONDITION | {"type": "float", "value": "nan"}]}, "rule.query[0].valu"),
        ("event", {"query": [{"field": "traits.a", "value": "1"}]}, "rule.query[0]"),
        ("event", {"query": [CONDITION | {"value": 5}]}, "rule.query[0].value"),
        ("loadbalancer_member_health", {"pool_id": "\0"}, "rule.pool_id"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(kind: str, change: dict[str, Any], field: str) -> None:
    assert fault(kind, LEAST[kind] | change).field.startswith(field)


def test_a_value_of_another_type_is_told_in_aodhs_words() -> None:
    condition = CONDITION | {"type": "integer", "value": "hello"}
    assert fault("event", {"query": [condition]}).fault == (
        "Unable to convert the value hello to the expected data type integer."
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [("integer", "-3"), ("float", "1e3"), ("boolean", "True"), ("string", ""), ("", "x")],
)
def test_a_condition_may_be_of_each_type(kind: str, value: str) -> None:
    rule = parse_rule("event", {"query": [CONDITION | {"type": kind, "value": value}]})
    assert sentence(rule) == f'an event * with traits.state = "{value}"'


class TestComposite:
    def test_rules_are_named_in_the_order_of_the_document(self) -> None:
        rule = parse_rule("composite", {"and": [SUB, {"or": [SUB, SUB]}]})
        assert isinstance(rule, CompositeRule)
        assert rule.form == "(rule1 and (rule2 or rule3))"
        assert [one.name for one in rule.sub_rules] == ["rule1", "rule2", "rule3"]

    def test_a_rule_alone_is_enough(self) -> None:
        rule = parse_rule("composite", SUB)
        assert isinstance(rule, CompositeRule)
        assert rule.form == "rule1"
        assert sentence(rule) == sentence(parse_rule(SUB["type"], LEAST[SUB["type"]]))

    def test_defaults_are_filled_in_and_read_back_the_same(self) -> None:
        rule = parse_rule("composite", {"and": [SUB]})
        stored = as_stored(rule)
        assert stored["and"][0]["granularity"] == 60
        assert stored["and"][0]["type"] == SUB["type"]
        assert parse_rule("composite", stored) == rule

    def test_it_reads_as_a_sentence(self) -> None:
        part = {"type": "prometheus", "query": "up", "threshold": 0, "comparison_operator": "eq"}
        rule = parse_rule("composite", {"or": [part, {"and": [part, part]}]})
        assert sentence(rule) == "up equal to 0 or (up equal to 0 and up equal to 0)"

    @pytest.mark.parametrize(
        ("rule", "beginning"),
        [
            ({"xor": [SUB]}, 'Threshold rules should be combined with "and" or "or"'),
            ({"type": "event"}, 'Threshold rules should be combined with "and" or "or"'),
            ({"and": [LEAST[SUB["type"]]]}, "type must be set in every rule"),
            ({"and": [{"type": "event", "query": []}]}, "Unsupported sub-rule type :event in"),
            ({"and": [{"type": [], "query": []}]}, "Unsupported sub-rule type :[] in"),
            ({"and": []}, "Invalid input composite rule: {'and': []}, it should be"),
            ({"and": {}}, "Invalid input composite rule: {'and': {}}, it should be"),
            ({"and": ["x"]}, "Invalid input composite rule: x, it should be"),
            ({}, "Invalid input composite rule: {}, it should be"),
            ({"and": [SUB | {"aggregation_method": "avg"}]}, "aggregation_method should be in ["),
        ],
    )
    def test_another_shape_is_told_in_aodhs_words(
        self, rule: dict[str, Any], beginning: str
    ) -> None:
        assert fault("composite", rule).fault.startswith(beginning)

    def test_the_place_is_named(self) -> None:
        rule = {"and": [SUB, {"or": [SUB | {"threshold": "x"}]}]}
        assert fault("composite", rule).field == "rule.and[1].or[0].threshold"

    def test_it_has_bounds(self) -> None:
        deep: dict[str, Any] = SUB
        for _ in range(17):
            deep = {"and": [deep]}
        assert "deeper than 16" in str(fault("composite", deep))
        assert "more than 100 rules" in str(fault("composite", {"and": [SUB] * 101}))


def test_only_series_can_be_shown() -> None:
    with pytest.raises(DefinitionError, match="type event no values"):
        parse_series_rule("event", {})


class TestConstraints:
    LEAST = {"name": "night", "start": "0 23 * * *", "duration": 10800}

    def checked(self, *constraints: Any) -> Any:
        fields = {"name": "n", "type": "event", "rule": {}, "time_constraints": [*constraints]}
        return lifecycle.check(fields)["time_constraints"]

    def test_what_is_absent_gets_aodhs_default(self) -> None:
        assert self.checked(self.LEAST) == [
            {
                "name": "night",
                "description": "Time constraint at 0 23 * * * lasting for 10800 seconds",
                "start": "0 23 * * *",
                "duration": 10800,
                "timezone": "",
            }
        ]

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"start": "xx"}, "Invalid input for field/attribute start. Value: 'xx'. Exactly 5, 6 "
                              "or 7 columns has to be specified for iterator expression."),
            ({"timezone": "Mars/X"}, "Timezone Mars/X is not valid"),
        ],
    )  # fmt: skip
    def test_it_is_refused_in_aodhs_words(self, change: dict[str, Any], fault: str) -> None:
        with pytest.raises(DefinitionError) as caught:
            self.checked(self.LEAST | change)
        assert caught.value.fault == fault

    @pytest.mark.parametrize(
        "change", [{"duration": -1}, {"name": ""}, {"name": "\0"}, {"x": 1}, {"start": 5}]
    )
    def test_a_bad_field_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(DefinitionError, match=r"time_constraints\[0\]"):
            self.checked(self.LEAST | change)

    def test_names_are_unique(self) -> None:
        with pytest.raises(DefinitionError, match="must be unique"):
            self.checked(self.LEAST, self.LEAST)
