"""Event alarms, judged where events are stored: none is lost and none counts twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from alarms import lifecycle
from alarms.choices import State
from alarms.evaluator.cycle import evaluate_due
from alarms.matching import holds
from alarms.models import Alarm, AlarmHistory, Notification
from meters.collector import collect
from meters.deliveries import Delivery
from meters.models import Event
from meters.store.write import store_batch, store_batches
from meters.wire import Trait, encode
from telemetry_site import clock
from telemetry_site.clock import now
from tests.support.batches import batch_of, event

pytestmark = pytest.mark.usefixtures("fresh_store")
ID = State.INSUFFICIENT_DATA.value
STATE = {"field": "traits.state", "op": "eq", "value": "error", "type": "string"}


def make(project_id: str | None = "p1", query: Any = (), **fields: Any) -> Alarm:
    rule = {"event_type": fields.pop("event_type", "*"), "query": list(query)}
    checked = lifecycle.check(
        {"name": "e", "type": "event", "rule": rule, "alarm_actions": ["log://"]} | fields
    )
    return lifecycle.create(checked, project_id, "u1")


def happening(message_id: str = "", state: str = "error", project: str = "p1", **more: Any) -> Any:
    traits = [Trait("project_id", "text", project), Trait("state", "text", state)]
    return event(message_id, *traits, **more)


def arrive(*events: Any) -> None:
    store_batch(batch_of(events=list(events)))


def chain(alarm: Alarm) -> list[tuple[int, str, str]]:
    rows = AlarmHistory.objects.filter(alarm_id=alarm.pk, state_version__isnull=False)
    return list(rows.order_by("id").values_list("state_version", "from_state", "to_state"))


def test_an_event_raises_the_alarm_with_history_and_outbox() -> None:
    alarm = make(query=[STATE], severity="critical")
    arrive(happening("m1", event_type="compute.instance.update"))
    alarm.refresh_from_db()
    reason = (
        "Event <id=m1,event_type=compute.instance.update> hits the query <query="
        '[{"field": "traits.state", "op": "eq", "type": "string", "value": "error"}]>.'
    )
    assert (alarm.state, alarm.state_reason, alarm.state_version) == ("alarm", reason, 1)
    row = AlarmHistory.objects.get(alarm_id=alarm.pk, type="state transition")
    assert row.detail == {"state": "alarm", "transition_reason": reason}
    assert (row.severity, row.from_state, row.to_state) == ("critical", ID, "alarm")
    sent = Notification.objects.get()
    assert (sent.previous, sent.current, sent.url) == (ID, "alarm", "log://")
    assert alarm.state_reason_data["event"]["message_id"] == "m1"
    assert alarm.state_timestamp > alarm.created_at


@pytest.mark.parametrize(("repeats", "times"), [(False, 1), (True, 3)])
def test_events_that_come_again_count_once(repeats: bool, times: int) -> None:
    """V19, and redelivery: by one batch, by another, and twice in one."""
    alarm = make(repeat_actions=repeats)
    events = [happening(name) for name in ("m1", "m2", "m3")]
    arrive(*events, events[0])
    arrive(*events)
    store_batches([batch_of(events=events), batch_of(events=events[:1], agent_id="compute.h2")])
    chained = [(1, ID, "alarm"), (2, "alarm", "alarm"), (3, "alarm", "alarm")]
    assert chain(alarm) == chained[:times]
    assert Notification.objects.count() == times
    reasons = AlarmHistory.objects.filter(type="state transition").order_by("id")
    ids = [row.detail["transition_reason"].split(",")[0] for row in reasons]
    assert ids == ["Event <id=m1", "Event <id=m2", "Event <id=m3"][:times]


def test_what_the_collector_gets_twice_fires_once() -> None:
    make(repeat_actions=True)
    payload = encode(batch_of(events=[happening("m1")]))
    for _ in range(2):
        collect([Delivery(payload, again=False)])
    assert Notification.objects.count() == 1


def test_an_alarm_sees_its_own_projects_events() -> None:
    """V21 and V22: an event without project is nobody's, only the installation sees all."""
    own, other, house = make("p1"), make("p2"), make(None)
    arrive(event("none", Trait("state", "text", "error")))
    assert [one.state for one in Alarm.objects.order_by("created_at")] == [ID, ID, "alarm"]
    arrive(event("both", Trait("tenant_id", "text", "p2"), Trait("project_id", "text", "p1")))
    for one in (own, other, house):
        one.refresh_from_db()
    assert (own.state, other.state, house.state) == ("alarm", ID, "alarm")


def test_disabled_and_deleted_alarms_and_other_states_are_left_alone() -> None:
    off = make(enabled=False)
    gone = make()
    lifecycle.delete(gone, "u1")
    kept = make(query=[STATE | {"value": "active"}])
    arrive(happening())
    assert not Notification.objects.exists()
    for one in (off, kept):
        one.refresh_from_db()
        assert one.state == ID


def test_a_state_set_by_hand_counts_at_once() -> None:
    """V25: nothing is cached."""
    alarm = make()
    arrive(happening("m1"))
    lifecycle.set_state(alarm, "ok", "u1")
    arrive(happening("m2"))
    assert chain(alarm) == [(1, ID, "alarm"), (2, "alarm", "ok"), (3, "ok", "alarm")]


def test_time_constraints_are_honoured() -> None:
    """V24, ours."""
    start = now() + timedelta(hours=2)
    closed = {"name": "c", "start": f"{start.minute} {start.hour} * * *", "duration": 60}
    alarm = make(time_constraints=[closed])
    arrive(happening())
    alarm.refresh_from_db()
    assert alarm.state == ID


def test_a_hosts_wrong_clock_opens_and_closes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """F43: it is the database's that counts."""
    begun = now() - timedelta(minutes=5)
    open_now = {"name": "c", "start": f"{begun.minute} {begun.hour} * * *", "duration": 3600}
    alarm = make(time_constraints=[open_now])
    monkeypatch.setattr(clock, "now", lambda: begun + timedelta(hours=3))
    arrive(happening())
    alarm.refresh_from_db()
    assert alarm.state == "alarm"


def test_a_broken_rule_costs_neither_the_event_nor_the_other_alarms() -> None:
    good, broken = make(), make()
    Alarm.objects.filter(pk=broken.pk).update(rule={"event_type": 5})
    late = make()
    Alarm.objects.filter(pk=late.pk).update(time_constraints=[{"name": "n"}])
    arrive(happening("m1"))
    assert Event.objects.filter(message_id="m1").exists()
    for one in (good, broken, late):
        one.refresh_from_db()
    assert (good.state, broken.state, late.state) == ("alarm", ID, ID)
    assert broken.evaluation_error.startswith("DefinitionError")
    assert late.evaluation_error.startswith("DefinitionError")


def test_a_rule_that_fails_over_an_event_costs_neither_it_nor_the_other_alarms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(value: Any, condition: Any) -> bool:
        if condition.value == "bad":
            raise TypeError("a fault of ours")
        return bool(holds(value, condition))

    monkeypatch.setattr("alarms.events.holds", failing)
    broken = make(query=[{**STATE, "value": "bad", "op": "ne"}])
    good = make(query=[STATE])
    arrive(happening("m1"))
    broken.refresh_from_db()
    good.refresh_from_db()
    assert Event.objects.get().message_id == "m1"
    assert (good.state, good.evaluation_error) == ("alarm", "")
    assert (broken.state, broken.evaluation_error) == (ID, "TypeError: a fault of ours")


def test_the_evaluator_has_nothing_to_do_with_them() -> None:
    make()
    assert evaluate_due() == 0


def test_collectors_at_once_fire_each_event_once() -> None:
    alarms = [make(repeat_actions=True) for _ in range(5)]
    events = [happening(f"m{n}") for n in range(40)]

    def work(place: int) -> None:
        try:
            for one in events[place:] + events[:place]:
                store_batch(batch_of(events=[one], agent_id=f"compute.h{place}"))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[place]) for place in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Notification.objects.count() == len(events) * len(alarms)
    for alarm in alarms:
        versions = [version for version, _, _ in chain(alarm)]
        assert versions == list(range(1, len(events) + 1))
