"""What a rule would have done: the evaluator's own decisions, over the past."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from alarms.choices import Type
from alarms.definition import parse_rule
from alarms.errors import DefinitionError
from alarms.evaluator.cycle import evaluate_due
from alarms.evaluator.walking import Plan
from alarms.preview import Preview, preview
from meters.store.write import store_batch
from telemetry_site.clock import from_us, now, now_us
from tests.support.alarms import group, make_alarm, threshold
from tests.support.batches import SECOND, batch_of, resource

pytestmark = pytest.mark.usefixtures("fresh_store")
MINUTE = 60 * SECOND


def minutes(*values: float) -> datetime:
    """One sample a minute, at its first second; returns the start of the first minute."""
    begin = now_us() // MINUTE * MINUTE - len(values) * MINUTE
    rows = [
        (resource(), "cpu", value, begin + place * MINUTE + SECOND)
        for place, value in enumerate(values)
    ]
    store_batch(batch_of(*rows))
    return from_us(begin)


def past(rule: dict[str, Any], begin: datetime, length: int, project: str | None = "p1") -> Preview:
    kind = Type.GROUP_THRESHOLD if "query" in rule else Type.RESOURCE_THRESHOLD
    plan = Plan(kind, parse_rule(kind, rule))
    return preview(plan, project, begin, begin + timedelta(minutes=length), now())


@pytest.mark.parametrize("rule", [threshold(), group()])
def test_each_change_of_the_past_is_told_with_its_time(rule: dict[str, Any]) -> None:
    begin = minutes(5.0, 95.0, 95.0, 5.0)
    found = past(rule, begin, 5)
    at = [begin + timedelta(minutes=place) for place in range(5)]
    assert [value for _, value in found.points] == [5.0, 95.0, 95.0, 5.0]
    assert [step.state for step in found.steps] == [
        "insufficient data", "ok", "alarm", "alarm", "ok",
    ]  # fmt: skip
    assert [(step.at, step.state) for step in found.transitions] == [
        (at[0], "insufficient data"), (at[1], "ok"), (at[2], "alarm"), (at[4], "ok"),
    ]  # fmt: skip
    assert (found.series, found.problem) == (1, "")


def test_now_is_what_an_evaluation_of_a_new_alarm_says() -> None:
    begin = minutes(5.0, 95.0)
    found = past(threshold(), begin, 1)
    alarm = make_alarm()
    evaluate_due()
    alarm.refresh_from_db()
    assert (found.current, found.reason) == (alarm.state, alarm.state_reason)
    assert found.current == "alarm"


def test_a_rule_that_finds_nothing_says_so() -> None:
    begin = minutes(95.0)
    found = past(threshold("nosuch"), begin, 1)
    assert (found.series, found.points, found.current) == (0, [], "insufficient data")
    assert found.problem == found.reason == "resource nosuch does not exists"


def test_anothers_metric_is_not_found() -> None:
    begin = minutes(95.0)
    assert past(threshold(), begin, 1, "p2").series == 0
    assert past(group(), begin, 1, "p2").points == []
    assert past(threshold(), begin, 1, None).series == 1


@pytest.mark.parametrize(
    ("change", "length", "text"),
    [
        ({}, 0, "start: must be before stop"),
        ({"granularity": 1}, 10**4, "start: 120000 evaluations"),
        ({"threshold": "x"}, 1, "rule.threshold: Expected `float`, got `str`"),
    ],
)
def test_what_cannot_be_previewed_is_refused(
    change: dict[str, Any], length: int, text: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        past(threshold(**change), now() - timedelta(days=8), length)
    assert str(caught.value).startswith(text)
