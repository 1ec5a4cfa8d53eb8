"""Alarms' definitions: what is refused and by which name, what is filled in, how it reads."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms import lifecycle
from alarms.choices import Type
from alarms.definition import GroupThreshold, ResourceThreshold, as_stored, parse_rule
from alarms.definition.words import sentence
from alarms.errors import DefinitionError
from tests.support.alarms import group, threshold

SINGLE, GROUP = Type.RESOURCE_THRESHOLD.value, Type.GROUP_THRESHOLD.value
LEAST = {"metric": "cpu", "resource_id": "vm-1", "aggregation_method": "mean", "threshold": 1}


def definition(**fields: Any) -> dict[str, Any]:
    return {"name": "n", "type": SINGLE, "rule": LEAST} | fields


def fault(fields: Any) -> tuple[str, str]:
    with pytest.raises(DefinitionError) as caught:
        lifecycle.check(fields)
    return caught.value.field, caught.value.detail


class TestRule:
    def test_what_is_absent_gets_aodhs_default(self) -> None:
        assert parse_rule(SINGLE, LEAST) == ResourceThreshold(
            metric="cpu", resource_id="vm-1", aggregation_method="mean", threshold=1.0,
            comparison_operator="eq", evaluation_periods=1, granularity=60,
            resource_type="generic",
        )  # fmt: skip
        rule = {name: LEAST[name] for name in ("metric", "aggregation_method", "threshold")}
        assert parse_rule(GROUP, rule | {"query": "{}"}) == GroupThreshold(
            metric="cpu", query="{}", aggregation_method="mean", threshold=1.0
        )

    def test_what_is_stored_reads_back_the_same(self) -> None:
        for kind, rule in ((SINGLE, LEAST), (GROUP, group())):
            parsed = parse_rule(kind, rule)
            assert parse_rule(kind, as_stored(parsed)) == parsed

    @pytest.mark.parametrize(
        ("change", "field", "detail"),
        [
            ({"threshold": "1"}, "rule.threshold", "Expected `float`, got `str`"),
            ({"threshold": True}, "rule.threshold", "Expected `float`, got `bool`"),
            ({"threshold": None}, "rule.threshold", "Expected `float`, got `null`"),
            ({"threshold": float("nan")}, "rule.threshold", "must be a finite number"),
            ({"threshold": float("-inf")}, "rule.threshold", "must be a finite number"),
            ({"granularity": 0}, "rule.granularity", "Expected `int` >= 1"),
            ({"granularity": 31_536_001}, "rule.granularity", "Expected `int` <= 31536000"),
            ({"evaluation_periods": 0}, "rule.evaluation_periods", "Expected `int` >= 1"),
            ({"evaluation_periods": "3"}, "rule.evaluation_periods", "Expected `int`, got `str`"),
            ({"comparison_operator": "=="}, "rule.comparison_operator", "Invalid enum value '=='"),
            ({"metric": ""}, "rule.metric", "Expected `str` of length >= 1"),
            ({"metric": "a\0"}, "rule.metric", "holds a NUL character"),
            ({"resource_id": "\0"}, "rule.resource_id", "holds a NUL character"),
            ({"resource_type": "\0"}, "rule.resource_type", "holds a NUL character"),
            ({"resource_id": "x" * 256}, "rule.resource_id", "Expected `str` of length <= 255"),
            ({"query": "{}"}, "rule.query", "Object contains unknown field `query`"),
        ],
    )
    def test_a_bad_field_is_named(self, change: dict[str, Any], field: str, detail: str) -> None:
        assert fault(definition(rule=LEAST | change)) == (field, detail)

    @pytest.mark.parametrize("name", sorted(LEAST))
    def test_a_missing_field_is_named(self, name: str) -> None:
        rule = {key: value for key, value in LEAST.items() if key != name}
        field, detail = fault(definition(rule=rule))
        assert (field, detail) == (f"rule.{name}", f"Object missing required field `{name}`")

    @pytest.mark.parametrize("method", ["mean", "count", "std", "95pct", "rate:mean", "rate:99pct"])
    def test_every_method_of_the_store_is_one(self, method: str) -> None:
        assert parse_rule(SINGLE, LEAST | {"aggregation_method": method})

    @pytest.mark.parametrize("method", ["avg", "MEAN", "0pct", "100pct", "rate:", "rate:rate:mean"])
    def test_another_is_none(self, method: str) -> None:
        field, detail = fault(definition(rule=LEAST | {"aggregation_method": method}))
        assert field == "rule.aggregation_method"
        assert detail.endswith(f"not {method!r}")

    def test_a_groups_query_is_a_search(self) -> None:
        field, detail = fault(definition(type=GROUP, rule=group('{"=": 5}')))
        assert (field, detail) == ("rule.query", "search.= must be an object with one attribute")

    @pytest.mark.parametrize("kind", ["alarm", "", "GNOCCHI_RESOURCES_THRESHOLD", None, [], 5])
    def test_an_unknown_type_is_refused_with_the_known_ones(self, kind: Any) -> None:
        field, detail = fault(definition(type=kind))
        assert field == "type"
        assert SINGLE in detail

    @pytest.mark.parametrize("rule", [None, [], "x", 5, True])
    def test_a_rule_is_an_object(self, rule: Any) -> None:
        assert fault(definition(rule=rule)) == ("rule", "must be an object")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (LEAST, "mean of cpu of resource vm-1 equal to 1 for 1 period of 60 s"),
        (
            threshold(evaluation_periods=3, granularity=300, aggregation_method="95pct"),
            "95pct of cpu of resource vm-1 above 80 for 3 periods of 300 s",
        ),
        (
            group('{"=": {"a": 1}}', comparison_operator="le", threshold=0.5, resource_type="host"),
            'mean of cpu of all host resources with {"=": {"a": 1}} at or below 0.5 '
            "for 1 period of 60 s",
        ),
    ],
)
def test_a_rule_reads_as_a_sentence(rule: dict[str, Any], words: str) -> None:
    assert sentence(parse_rule(GROUP if "query" in rule else SINGLE, rule)) == words


class TestDefinition:
    def test_what_is_absent_gets_a_default(self) -> None:
        checked = lifecycle.check(definition())
        assert set(checked) == set(lifecycle.FIELDS)
        assert (checked["enabled"], checked["severity"], checked["description"]) == (
            True, "low", "",
        )  # fmt: skip
        assert checked["alarm_actions"] == checked["ok_actions"] == []
        assert checked["time_constraints"] == []

    def test_actions_keep_their_order_and_stand_once(self) -> None:
        checked = lifecycle.check(definition(alarm_actions=["b", "a", "b"], ok_actions=None))
        assert (checked["alarm_actions"], checked["ok_actions"]) == (["b", "a"], [])

    @pytest.mark.parametrize(
        ("change", "field", "detail"),
        [
            ({"name": 5}, "name", "must be a text"),
            ({"name": ""}, "name", "must have 1 to 255 characters"),
            ({"name": " "}, "name", "has no visible character"),
            ({"name": "a\x1b"}, "name", "holds a control character"),
            ({"name": "a\0"}, "name", "holds a NUL character"),
            ({"description": "\0"}, "description", "holds a NUL character"),
            ({"description": None}, "description", "must be a text"),
            ({"enabled": 1}, "enabled", "must be true or false"),
            ({"repeat_actions": "no"}, "repeat_actions", "must be true or false"),
            ({"severity": []}, "severity", "must be one of low, moderate, critical"),
            ({"ok_actions": {}}, "ok_actions", "must be a list of URLs"),
            ({"ok_actions": ["a", "\0"]}, "ok_actions[1]", "holds a NUL character"),
            ({"ok_actions": ["a", None]}, "ok_actions[1]", "must be a text"),
            ({"state": "ok"}, "state", "is no field of an alarm's definition"),
            ({"x" * 99: 1}, "x" * 80, "is no field of an alarm's definition"),
        ],
    )
    def test_a_bad_field_is_named(self, change: dict[str, Any], field: str, detail: str) -> None:
        assert fault(definition(**change)) == (field, detail)

    @pytest.mark.parametrize("name", ["name", "type", "rule"])
    def test_a_missing_field_is_named(self, name: str) -> None:
        fields = {key: value for key, value in definition().items() if key != name}
        assert fault(fields) == (name, "is required")

    def test_an_action_nobody_takes_is_named_by_its_place(self) -> None:
        with pytest.raises(DefinitionError) as caught:
            lifecycle.check_actions({"ok_actions": ["log:", "gopher://x"]}, "p1", is_admin=True)
        assert caught.value.field == "ok_actions[1]"

    def test_looking_up_names_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lifecycle, "LOOK_UP_S", 0.0)
        with pytest.raises(DefinitionError, match=r"ok_actions\[0\]: could not be looked up"):
            lifecycle.check_actions({"ok_actions": ["log:"]}, "p1", is_admin=True)

    def test_actions_that_are_not_written_are_not_asked_about(self) -> None:
        lifecycle.check_actions({"name": "x"}, "p1", is_admin=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)


@given(
    st.dictionaries(st.sampled_from([*lifecycle.FIELDS, "x"]), JSON),
    st.dictionaries(st.sampled_from([*threshold(), "query"]), JSON),
)
def test_anything_is_a_definition_or_refused(change: dict[str, Any], rule: dict[str, Any]) -> None:
    """Nothing else is raised, and what is taken is taken again the same."""
    with suppress(DefinitionError):
        checked = lifecycle.check(definition(rule=LEAST | rule) | change)
        assert lifecycle.check(checked) == checked
