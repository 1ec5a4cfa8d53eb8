"""Alarms on meters that are derived on read: judged, explained and tried out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alarms import lifecycle, preview
from alarms.definition import parse_rule
from alarms.evaluator.classic import find_classic
from alarms.evaluator.explaining import explain
from alarms.evaluator.subjects import Subject
from alarms.evaluator.walking import plan_of
from alarms.models import Alarm
from telemetry_site.clock import from_us, now, now_us
from tests.support.alarms import evaluated
from tests.support.batches import SECOND, resource
from tests.support.counting import counted

pytestmark = pytest.mark.usefixtures("fresh_store")


def rule(**fields: Any) -> dict[str, Any]:
    return {
        "meter_name": "cpu_util", "threshold": 79.9, "comparison_operator": "gt",
        "statistic": "avg", "period": 60, "evaluation_periods": 1,
    } | fields  # fmt: skip


def subject(meter_name: str) -> Subject:
    checked = lifecycle.check(
        {"name": "n", "type": "threshold", "rule": rule(meter_name=meter_name)}
    )
    return Subject(parse_rule("threshold", checked["rule"]), "p1")


def make(project_id: str | None = "p1", **fields: Any) -> Alarm:
    checked = lifecycle.check({"name": "busy", "type": "threshold", "rule": rule(**fields)})
    return lifecycle.create(checked, project_id, "u1")


def burn(*percents: float, name: str = "vm-1", every_s: int = 60, **fields: Any) -> int:
    """A machine of two processors that was so busy in each step; the last one ended just now."""
    fields = {"metadata": {"cpu_number": 2}, **fields}
    at = first = now_us() - (len(percents) * every_s + 5) * SECOND
    used = 0.0
    counted((resource(name, **fields), "cpu", used, at))
    for percent in percents:
        at += every_s * SECOND
        used += percent / 100 * 2e9 * every_s
        counted((resource(name, **fields), "cpu", used, at))
    return first


@pytest.mark.parametrize(("limit", "state"), [(79.9, "alarm"), (80.1, "ok")])
def test_an_alarm_on_cpu_util_fires_at_its_threshold(limit: float, state: str) -> None:
    burn(10.0, 10.0, 80.0)
    alarm = evaluated(make(threshold=limit))
    assert alarm.state == state
    assert alarm.state_reason_data["most_recent"] == pytest.approx(80.0)


@pytest.mark.parametrize("every_s", [600, 7_200])
def test_the_sample_before_its_window_counts(every_s: int) -> None:
    burn(90.0, every_s=every_s)
    assert evaluated(make()).state == "alarm"


def test_a_machine_that_began_anew_raises_no_false_alarm() -> None:
    """What the counter fell by would be -99 %."""
    burn(99.0, 99.0)
    counted((resource("vm-1", metadata={"cpu_number": 2}), "cpu", 1e9, now_us() - SECOND))
    below = make(comparison_operator="lt", threshold=0.0)
    assert evaluated(below).state == "ok"


def test_its_query_chooses_among_machines() -> None:
    burn(90.0, name="vm-1")
    burn(10.0, name="vm-2")
    query = [{"field": "resource_id", "op": "eq", "value": "vm-2", "type": "string"}]
    assert evaluated(make(query=query)).state == "ok"
    query[0]["value"] = "vm-1"
    assert evaluated(make(query=query)).state == "alarm"


def test_a_foreign_machine_is_not_looked_at() -> None:
    burn(95.0, project_id="p2")
    alarm = evaluated(make())
    assert alarm.state == "insufficient data"
    assert evaluated(make(project_id=None)).state == "alarm"


def test_stored_samples_win() -> None:
    burn(95.0)
    one = resource("vm-1", metadata={"cpu_number": 2})
    counted((one, "cpu_util", 5.0, now_us() - SECOND), unit="%", type="gauge")
    alarm = evaluated(make(statistic="max"))
    assert (alarm.state, alarm.state_reason_data["most_recent"]) == ("ok", 5.0)


def test_a_composite_rule_may_name_it() -> None:
    burn(95.0)
    parts = [{"type": "threshold", **rule()}, {"type": "threshold", **rule(threshold=99.0)}]
    checked = lifecycle.check({"name": "both", "type": "composite", "rule": {"or": parts}})
    assert evaluated(lifecycle.create(checked, "p1", "u1")).state == "alarm"


def test_an_explanation_shows_the_derived_samples() -> None:
    burn(10.0, 80.0)
    (seen,) = explain(make(), now()).seen
    assert [point.value for point in seen.points][-1] == pytest.approx(80.0)
    assert [one.is_outside for one in seen.values][-1]
    assert seen.problem == ""


def test_a_dry_run_sees_when_it_would_have_fired() -> None:
    first = burn(10.0, 10.0, 95.0, 95.0, 10.0, 10.0, 10.0)
    checked = lifecycle.check({"name": "n", "type": "threshold", "rule": rule()})
    start = from_us(first) + timedelta(seconds=90)
    tried = preview.dry_run(plan_of(checked), "p1", start, now(), now())
    assert preview.fired(tried) == 1
    assert tried[-1].step.state == "ok"


def test_alarms_on_stored_meters_cost_no_question_more() -> None:
    burn(10.0)
    stored, derived = [[subject(name)] for name in ("cpu", "cpu_util")]
    counts = []
    for subjects in (stored, derived, derived * 100):
        with CaptureQueriesContext(connection) as asked:
            found = find_classic(subjects)
        assert all(one.series for one in found)
        counts.append(len(asked))
    assert counts == [1, 2, 2]
