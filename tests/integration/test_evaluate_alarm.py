"""`manage.py evaluate_alarm`: what an evaluation sees and says, without a trace."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alarms import lifecycle
from alarms.models import Alarm, AlarmHistory, CompositeMemory, Notification, PolicyMemory
from meters.models import Metric
from meters.store.write import store_batch
from telemetry_site.clock import from_us, now_us
from tests.support.alarms import make_alarm, threshold
from tests.support.batches import SECOND, batch_of, resource

pytestmark = pytest.mark.usefixtures("fresh_store")


def told(alarm: Alarm, *options: str) -> list[str]:
    out = StringIO()
    before = Alarm.objects.filter(pk=alarm.pk).values().get()
    rows = (AlarmHistory.objects.count(), Notification.objects.count())
    call_command("evaluate_alarm", str(alarm.pk), *options, stdout=out)
    assert Alarm.objects.filter(pk=alarm.pk).values().get() == before
    assert (AlarmHistory.objects.count(), Notification.objects.count()) == rows
    assert not CompositeMemory.objects.exists()
    return out.getvalue().splitlines()


@pytest.fixture
def hour() -> int:
    """An hour ago, on a minute, with samples of 70, 85 and 95 in the three minutes before."""
    at = (now_us() - 3600 * SECOND) // (60 * SECOND) * 60 * SECOND
    one = resource()
    values = ((180, 70.0), (120, 85.0), (60, 95.0))
    store_batch(batch_of(*((one, "cpu", value, at - age * SECOND) for age, value in values)))
    return at


def test_the_window_its_points_buckets_comparison_and_verdict(hour: int) -> None:
    alarm = make_alarm(threshold(evaluation_periods=2), alarm_actions=["log://"])
    at = from_us(hour).replace(tzinfo=None)
    lines = told(alarm, "--at", f"{at.isoformat()}Z", "--explain")
    pk = Metric.objects.get().pk

    def ago(seconds: int) -> str:
        return (at - timedelta(seconds=seconds)).isoformat()

    assert lines == [
        "cpu high: mean of cpu of resource vm-1 above 80 for 2 periods of 60 s",
        f"at {ago(0)}, while its state is insufficient data",
        f"window: {ago(180)} to {ago(0)}, 1 metric",
        "points: 3",
        f"  metric {pk}  {ago(180)}  70.0",
        f"  metric {pk}  {ago(120)}  85.0",
        f"  metric {pk}  {ago(60)}  95.0",
        "buckets: 2",
        f"  {ago(120)}  85.0 > 80.0: outside",
        f"  {ago(60)}  95.0 > 80.0: outside",
        "verdict: goes to alarm",
        "reason: Transition to alarm due to 2 samples outside threshold, most recent: 95.0",
    ]


def test_a_policys_phase_and_memory(hour: int) -> None:
    alarm = make_alarm(policy={"for": 300})
    lines = told(alarm, "--at", from_us(hour).isoformat(), "--explain")
    assert lines[-4:] == [
        "verdict: nothing happens", 'policy: {"for": 300}', "phase: pending",
        f"  pending since {from_us(hour).replace(tzinfo=None).isoformat()}",
    ]  # fmt: skip
    assert not PolicyMemory.objects.exists()
    since = from_us(hour) - timedelta(seconds=300)
    PolicyMemory.objects.create(alarm=alarm, definition_version=1, pending_since=since)
    lines = told(alarm, "--at", from_us(hour).isoformat(), "--explain")
    assert lines[-5] == "verdict: goes to alarm"
    assert lines[-2:] == [
        "phase: firing", f"  fired at {from_us(hour).replace(tzinfo=None).isoformat()}",
    ]  # fmt: skip


def test_without_explain_it_says_the_verdict_only(hour: int) -> None:
    alarm = make_alarm(threshold(evaluation_periods=2))
    lines = told(alarm, "--at", from_us(hour).isoformat())
    assert len(lines) == 4
    assert told(alarm)[-1] == "verdict: nothing happens"


def test_what_is_lacking_is_told() -> None:
    lines = told(make_alarm(threshold("nosuch")), "--explain")
    assert "problem: resource nosuch does not exists" in lines
    assert lines[-1] == "verdict: nothing happens"


def make(kind: str, rule: dict[str, Any], **more: Any) -> Alarm:
    checked = lifecycle.check({"name": "c", "type": kind, "rule": rule} | more)
    return lifecycle.create(checked, "p1", "u1")


def test_each_part_of_a_composite_is_explained_and_nothing_remembered(hour: int) -> None:
    part = threshold() | {"type": "gnocchi_resources_threshold"}
    alarm = make("composite", {"and": [part, part | {"threshold": 90.0}]})
    lines = told(alarm, "--at", from_us(hour).isoformat(), "--explain")
    assert sum(line.startswith("buckets: 1") for line in lines) == 2
    assert [line for line in lines if line.startswith("rule2")] == [
        "rule2: mean of cpu of resource vm-1 above 90 for 1 period of 60 s"
    ]
    assert lines[-1].endswith("due to rules: rule1, rule2 outside their threshold.")


def test_promql_and_classic_rules_too(hour: int) -> None:
    fields = {"threshold": 80.0, "comparison_operator": "gt"}
    at = ("--at", from_us(hour).isoformat(), "--explain")
    lines = told(make("prometheus", {"query": "max(cpu)"} | fields), *at)
    assert f"  {from_us(hour).replace(tzinfo=None).isoformat()}  95.0 > 80.0: outside" in lines
    lines = told(make("threshold", {"meter_name": "cpu"} | fields), *at)
    assert lines[-2] == "verdict: goes to alarm"


def test_time_constraints_that_are_closed_let_nothing_happen(hour: int) -> None:
    start = from_us(hour) + timedelta(hours=3)
    constraint = {"name": "c", "start": f"{start.minute} {start.hour} * * *", "duration": 60}
    alarm = make_alarm(time_constraints=[constraint])
    lines = told(alarm, "--at", from_us(hour).isoformat())
    assert lines[-2:] == ["time constraints: closed", "verdict: nothing happens"]


@pytest.mark.parametrize(
    ("kind", "rule", "text"),
    [
        ("event", {}, "event alarms are judged when events come"),
        (
            "loadbalancer_member_health",
            {"pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"},
            "are not evaluated here",
        ),
    ],
)
def test_types_that_have_no_such_evaluation_say_so(
    kind: str, rule: dict[str, Any], text: str
) -> None:
    with pytest.raises(CommandError, match=text):
        told(make(kind, rule))


def test_what_is_no_alarm_or_no_time_is_refused_in_words() -> None:
    alarm = make_alarm()
    with pytest.raises(CommandError, match="There is no alarm x"):
        call_command("evaluate_alarm", "x")
    with pytest.raises(CommandError, match="There is no alarm 00000000"):
        call_command("evaluate_alarm", "00000000-0000-0000-0000-000000000000")
    for year in ("0001", "9999"):
        with pytest.raises(CommandError, match="is not between 1970-01-01T00:00:00 and 2200"):
            call_command("evaluate_alarm", str(alarm.pk), "--at", f"{year}-01-01T00:00:00")
    with pytest.raises(CommandError, match="yesterday is no time"):
        call_command("evaluate_alarm", str(alarm.pk), "--at", "yesterday")
