"""Alarms with a policy on a real database: what is written, and what outlives what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alarms import lifecycle
from alarms.evaluator import cycle
from alarms.evaluator.claims import as_claimed, claim
from alarms.evaluator.transitions import Decision, write
from alarms.models import Alarm, AlarmHistory, Notification, PolicyMemory
from alarms.muting.releasing import release
from alarms.policies import Memory
from alarms.standing import Standing, standings
from telemetry_site import clock
from telemetry_site.clock import now, to_us
from tests.integration.test_evaluator import chain, evaluate_again
from tests.support.alarms import make_alarm, store, threshold

pytestmark = pytest.mark.usefixtures("fresh_store")
ID = "insufficient data"


def wait(alarm: Alarm, seconds: int) -> None:
    """As if what is remembered had begun so long before."""
    row = PolicyMemory.objects.get(pk=alarm.pk)
    for name in ("pending_since", "recovering_since", "no_data_since", "fired_at"):
        moment = getattr(row, name)
        setattr(row, name, moment and moment - timedelta(seconds=seconds))
    row.save()


def standing(alarm: Alarm) -> Standing:
    return standings([alarm])[alarm.pk]


def evaluated(alarm: Alarm) -> Alarm:
    evaluate_again()
    return Alarm.objects.get(pk=alarm.pk)


def told() -> list[tuple[str, str]]:
    rows = Notification.objects.order_by("created_at", "repeat_no")
    return list(rows.values_list("current", "status"))


def test_a_condition_that_must_last_fires_after_that_and_once() -> None:
    alarm = make_alarm(policy={"for": 300}, alarm_actions=["log://"])
    store(95.0)
    alarm = evaluated(alarm)
    assert (alarm.state, alarm.state_version, standing(alarm).phase) == (ID, 0, "pending")
    wait(alarm, 240)
    assert evaluated(alarm).state == ID
    wait(alarm, 60)
    alarm = evaluated(alarm)
    assert (alarm.state, standing(alarm).phase, told()) == (
        "alarm", "firing", [("alarm", "pending")],
    )  # fmt: skip
    assert evaluated(alarm).state_version == 1
    assert chain(alarm) == [(1, ID, "alarm")]
    assert standing(alarm).fired_at == PolicyMemory.objects.get(pk=alarm.pk).fired_at


def test_what_waits_is_remembered_by_nobody_but_the_database() -> None:
    """A restart finds it there."""
    alarm = make_alarm(policy={"for": 300})
    store(95.0)
    evaluated(alarm)
    since = PolicyMemory.objects.get(pk=alarm.pk).pending_since
    for cache in (cycle._looked_at, cycle._constraints):
        cache.cache_clear()
    evaluated(alarm)
    assert PolicyMemory.objects.get(pk=alarm.pk).pending_since == since


def test_an_alarm_recovers_only_below_its_own_limit_for_that() -> None:
    rule = threshold(aggregation_method="last")
    alarm = make_alarm(rule, policy={"recovery_threshold": 70.0}, ok_actions=["log://"])
    store(95.0)
    assert evaluated(alarm).state == "alarm"
    store(75.0)
    assert evaluated(alarm).state == "alarm"
    store(65.0)
    alarm = evaluated(alarm)
    assert alarm.state == "ok"
    assert alarm.state_reason.startswith("Transition to ok due to 1 samples inside threshold")
    store(75.0)
    assert evaluated(alarm).state == "ok"


def test_missing_data_may_be_the_alarm() -> None:
    alarm = make_alarm(
        threshold(comparison_operator="lt", threshold=0.0),
        policy={"no_data": "alarm", "no_data_for": 600},
    )
    alarm = evaluated(alarm)
    assert (alarm.state, standing(alarm).phase) == (ID, "no data")
    assert alarm.state_reason == "resource vm-1 does not exists"
    wait(alarm, 600)
    alarm = evaluated(alarm)
    assert (alarm.state, alarm.state_reason) == ("alarm", "resource vm-1 does not exists")
    assert alarm.state_reason_data["disposition"] == "unknown"
    store(1.0)
    assert evaluated(alarm).state == "ok"


@pytest.mark.parametrize(("meaning", "state"), [("keep", "ok"), ("ok", "ok"), (None, ID)])
def test_what_missing_data_mean(meaning: str | None, state: str) -> None:
    alarm = make_alarm(policy={"no_data": meaning} if meaning else None)
    lifecycle.set_state(alarm, "ok", "u1")
    assert evaluated(alarm).state == state


def test_repeats_keep_their_distance() -> None:
    alarm = make_alarm(
        policy={"repeat_interval": 3600}, repeat_actions=True, alarm_actions=["log://"]
    )
    store(95.0)
    for _ in range(3):
        evaluated(alarm)
    assert len(told()) == 1
    wait(alarm, 3600)
    for _ in range(3):
        evaluated(alarm)
    assert len(told()) == 2


ALWAYS = {"name": "always", "start": "* * * * *", "duration": 3600}
#: Of what there was one, four years ago at the most.
NEVER = ALWAYS | {"start": "0 0 29 2 *", "duration": 0}


def muted() -> Alarm:
    """In alarm, with a message that is kept back."""
    alarm = make_alarm(policy={"mute": [ALWAYS]}, alarm_actions=["log://"])
    store(95.0)
    assert evaluated(alarm).state == "alarm"
    assert told() == [("alarm", "suppressed")]
    return alarm


def test_while_it_is_muted_nothing_is_sent_and_all_else_goes_on() -> None:
    alarm = muted()
    assert Notification.objects.get().last_error == "muted"
    assert AlarmHistory.objects.filter(alarm_id=alarm.pk, to_state="alarm").count() == 1
    assert release() == 0
    assert told() == [("alarm", "suppressed")]


def test_a_hosts_wrong_clock_makes_no_quiet_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """F43: it is the database's that counts, here and when they may be over."""
    begun = now() - timedelta(minutes=5)
    quiet = {"name": "q", "start": f"{begun.minute} {begun.hour} * * *", "duration": 3600}
    alarm = make_alarm(policy={"mute": [quiet]}, alarm_actions=["log://"])
    store(95.0)
    monkeypatch.setattr(clock, "now", lambda: begun + timedelta(hours=3))
    assert evaluated(alarm).state == "alarm"
    assert release() == 0
    assert told() == [("alarm", "suppressed")]


def test_what_was_muted_is_sent_when_the_quiet_hours_are_over() -> None:
    alarm = muted()
    Alarm.objects.filter(pk=alarm.pk).update(policy={"mute": [NEVER]})
    assert release() == 1
    assert told() == [("alarm", "pending")]
    assert Notification.objects.get().last_error == ""


def test_what_is_over_by_then_is_not_sent_any_more() -> None:
    alarm = muted()
    Alarm.objects.filter(pk=alarm.pk).update(policy={"mute": [NEVER]}, state="ok")
    assert release() == 0
    assert told() == [("alarm", "cancelled")]


def test_a_composite_alarm_waits_as_well() -> None:
    part = {"type": "gnocchi_resources_threshold", **threshold()}
    checked = lifecycle.check(
        {"name": "c", "type": "composite", "rule": {"or": [part]}, "policy": {"for": 300}}
    )
    alarm = lifecycle.create(checked, "p1", "u1")
    store(95.0)
    assert standing(evaluated(alarm)).phase == "pending"
    wait(alarm, 300)
    alarm = evaluated(alarm)
    assert alarm.state == "alarm"
    assert alarm.state_reason.startswith("Composite rule alarm with composition form: (rule1)")


def test_a_changed_definition_begins_to_wait_anew() -> None:
    alarm = make_alarm(policy={"for": 300})
    store(95.0)
    evaluated(alarm)
    wait(alarm, 600)
    lifecycle.change(alarm, {"rule": threshold(threshold=85.0)}, "u1")
    assert evaluated(alarm).state == ID


def test_a_policy_that_is_taken_away_leaves_nothing() -> None:
    alarm = make_alarm(policy={"for": 300})
    store(95.0)
    evaluated(alarm)
    lifecycle.change(alarm, {"policy": None}, "u1")
    assert not PolicyMemory.objects.exists()
    assert evaluated(alarm).state == "alarm"
    row = AlarmHistory.objects.get(alarm_id=alarm.pk, type="rule change")
    assert row.detail == {"policy": None}


def test_who_was_faster_wins_over_the_memory_too() -> None:
    """A person sets the state while a frozen evaluator is about to write."""
    alarm = make_alarm(policy={"for": 300})
    [one] = claim()
    lifecycle.set_state(alarm, "ok", "u1")
    write([Decision(one, None, memory=Memory(pending_since=one.now))])
    assert not PolicyMemory.objects.exists()


def test_a_deleted_alarms_memory_is_not_written() -> None:
    alarm = make_alarm(policy={"for": 300})
    [one] = claim()
    lifecycle.delete(alarm, "u1")
    write([Decision(one, None, memory=Memory(pending_since=one.now))])
    assert not PolicyMemory.objects.exists()


def test_what_is_only_remembered_leaves_the_reason_alone() -> None:
    alarm = make_alarm(threshold(aggregation_method="last"), policy={"for": 300})
    store(5.0)
    before = evaluated(alarm)
    store(95.0)
    after = evaluated(alarm)
    assert standing(after).phase == "pending"
    assert (after.state_reason, after.state_reason_data) == (
        before.state_reason, before.state_reason_data,
    )  # fmt: skip


def test_an_unreadable_policy_is_its_own_alarms_fault() -> None:
    good, bad = make_alarm(), make_alarm(policy={"for": 1}, name="bad")
    Alarm.objects.filter(pk=bad.pk).update(policy={"for": "x"})
    store(95.0)
    assert evaluated(good).state == "alarm"
    bad.refresh_from_db()
    assert bad.evaluation_error.startswith("DefinitionError: policy.for: ")


def test_alarms_without_a_policy_cost_no_query_more() -> None:
    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as seen:
            evaluate_again()
        return [one["sql"] for one in seen.captured_queries]

    make_alarm()
    store(95.0)
    evaluate_again()
    assert not any("policymemory" in sql for sql in queries())
    make_alarm(policy={"for": 300}, name="with")
    assert any("policymemory" in sql for sql in queries())


def test_an_alarm_as_it_would_be_claimed_has_its_policy() -> None:
    fields: dict[str, Any] = {"policy": {"for": 300}}
    alarm = make_alarm(**fields)
    [one] = claim()
    assert one._replace(now=0, evaluate_at=0, was_due=0) == as_claimed(
        alarm, to_us(now())
    )._replace(now=0, evaluate_at=0, was_due=0)
