"""Alarms that came by aodh's API while they are evaluated, and what of it is shown (3.2)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm, EvaluationCount, Notification
from alarms.notifier.delivery import send_due
from tests.api.alarming.people import RULE, AlarmingClient, body
from tests.support.alarms import store

pytestmark = pytest.mark.usefixtures("fresh_store")
HOT = {
    RULE: {
        "metric": "cpu", "resource_id": "vm-1", "resource_type": "instance",
        "aggregation_method": "mean", "comparison_operator": "gt", "threshold": 80,
    }
}  # fmt: skip
REASON = "Transition to alarm due to 1 samples outside threshold, most recent: 95.0"


def evaluate_again() -> None:
    Alarm.objects.update(evaluate_at=Now())
    evaluate_due()


def test_a_transition_is_shown_with_its_time_its_reason_and_its_row(
    member: AlarmingClient,
) -> None:
    made = member.make(**HOT, severity="critical")
    store(95.0, project_id="p1")
    evaluate_due()
    now = member.fetch(f"/alarms/{made['alarm_id']}")
    assert (now["state"], now["state_reason"]) == ("alarm", REASON)
    assert now["state_timestamp"] > made["state_timestamp"]
    assert now["evaluate_timestamp"] > made["evaluate_timestamp"]
    assert now["timestamp"] == made["timestamp"]
    row = member.fetch(f"/alarms/{made['alarm_id']}/history?q.field=severity&q.value=critical")[0]
    assert row["type"] == "state transition"
    assert row["detail"] == f'{{"state": "alarm", "transition_reason": "{REASON}"}}'


@pytest.mark.parametrize("sent", [{}, {"evaluate_timestamp": None},
                                  {"evaluate_timestamp": "2100-01-01T00:00:00"}])  # fmt: skip
def test_a_change_does_not_end_the_evaluation(member: AlarmingClient, sent: Any) -> None:
    """In aodh a PUT without `evaluate_timestamp` is the last thing that happens to an alarm."""
    made = member.make(**HOT)
    member.ask("PUT", f"/alarms/{made['alarm_id']}", body(**HOT, name="b", **sent))
    store(95.0, project_id="p1")
    evaluate_due()
    assert member.fetch(f"/alarms/{made['alarm_id']}/state") == "alarm"


def test_the_time_of_evaluation_only_goes_forward(member: AlarmingClient) -> None:
    made = member.make(**HOT)
    seen = [made["evaluate_timestamp"]]
    for value in (95.0, 5.0, 95.0):
        store(value, project_id="p1")
        evaluate_again()
        seen.append(member.fetch(f"/alarms/{made['alarm_id']}")["evaluate_timestamp"])
    assert seen == sorted(set(seen))


def test_a_state_set_by_hand_is_where_the_next_evaluation_begins(member: AlarmingClient) -> None:
    made = member.make(**HOT, alarm_actions=["zaqar://?topic=t"])
    path = f"/alarms/{made['alarm_id']}"
    store(95.0, project_id="p1")
    evaluate_due()
    member.ask("PUT", f"{path}/state", "ok")
    assert Notification.objects.count() == 1
    evaluate_again()
    assert member.fetch(f"{path}/state") == "alarm"
    assert Notification.objects.count() == 2
    member.ask("DELETE", path)
    evaluate_again()
    assert Notification.objects.count() == 2
    assert not Notification.objects.filter(status="pending").exists()


def test_a_tenants_alarm_does_not_see_anothers_samples(
    member: AlarmingClient, admin: AlarmingClient
) -> None:
    """In aodh the reason tells the value to whoever makes an alarm on it."""
    made, everything = member.make(**HOT), admin.make(**HOT)
    store(95.0, project_id="p2")
    evaluate_due()
    now = member.fetch(f"/alarms/{made['alarm_id']}")
    assert now["state"] == "insufficient data"
    assert now["state_reason"] == "resource vm-1 does not exists"
    assert admin.fetch(f"/alarms/{everything['alarm_id']}/state") == "alarm"


def test_without_a_zaqar_the_delivery_says_so(member: AlarmingClient) -> None:
    member.make(**HOT, alarm_actions=["zaqar://?topic=t"])
    store(95.0, project_id="p1")
    evaluate_due()
    assert send_due() == 1
    row = Notification.objects.get()
    assert (row.status, row.last_error) == ("failed", "no_endpoint")
    assert "TELEMETRY_ZAQAR_URL" in row.tries.get().answer


def test_without_a_keystone_there_is_no_trust_and_the_delivery_says_so(
    member: AlarmingClient,
) -> None:
    member.make(**HOT, alarm_actions=["trust+http://host/x"])
    store(95.0, project_id="p1")
    evaluate_due()
    assert send_due() == 1
    row = Notification.objects.get()
    assert (row.status, row.last_error) == ("failed", "no_trust")
    assert "none was made with the alarm" in row.tries.get().answer


def test_evaluations_are_counted_where_that_is_wanted(
    member: AlarmingClient, settings: Any
) -> None:
    made = member.make(**HOT)
    evaluate_due()
    assert not EvaluationCount.objects.exists()
    settings.TELEMETRY_EVALUATION_COUNTS = True
    evaluate_again()
    store(95.0, project_id="p1")
    evaluate_again()
    evaluate_again()
    [row] = member.fetch("/metrics")["evaluation_results"]
    assert row["alarm_id"] == made["alarm_id"]
    assert row["state_counters"] == {"insufficient data": 1, "ok": 0, "alarm": 2}
    EvaluationCount.objects.update(alarming=2_000_000_000)
    evaluate_again()
    assert EvaluationCount.objects.get().alarming == 1
