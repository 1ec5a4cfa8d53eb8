"""Test firing by the alarming API, with a notifier beside it and real receivers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from alarms import budget, trying
from alarms.models import Alarm, AlarmHistory, Notification
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.settings.allowances import parse_allowance
from tests.api.alarming.people import AlarmingClient, fault_of
from tests.support.webhooks import answering, receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _loopback(settings: Any, broker: EmbeddedValkey) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
    budget._asked._levels.clear()


def fired(client: AlarmingClient, alarm: Any, body: Any = None) -> Any:
    answer = client.ask("POST", f"/alarms/{alarm['alarm_id']}/test", body)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_it_tells_what_each_receiver_said(member: AlarmingClient, notifier: None) -> None:
    with receiver(answering(200)) as good, receiver(answering(410)) as gone:
        alarm = member.make(alarm_actions=[good.url(), gone.url()], ok_actions=[])
        first, second = fired(member, alarm, {"state": "alarm"})
    took = first.pop("took_ms"), second.pop("took_ms")
    assert all(isinstance(one, int) and one >= 0 for one in took)
    assert first == {
        "action": good.url(), "status": "delivered", "status_code": 200, "error": "",
    }  # fmt: skip
    assert (second["status"], second["status_code"], second["error"]) == (
        "failed", 410, "http_410",
    )  # fmt: skip
    assert good.requests[0].headers["x-alarm-test"] == "true"
    assert b"Test notification requested by u1" in good.requests[0].body
    assert Alarm.objects.get().state == "insufficient data"
    assert AlarmHistory.objects.count() == 1
    assert fired(member, alarm, {"state": "ok"}) == []


def test_what_is_not_through_in_time_is_pending(
    member: AlarmingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying.fire, "__defaults__", (0.3,))
    alarm = member.make(alarm_actions=["http://127.0.0.1:9/hook"])
    began = time.monotonic()
    [one] = fired(member, alarm)
    assert time.monotonic() - began < 3
    assert (one["status"], one["took_ms"]) == ("pending", None)
    assert Notification.objects.get().status == "pending"


def test_few_requests_wait_at_a_time(member: AlarmingClient) -> None:
    alarm = member.make(alarm_actions=["http://127.0.0.1:9/hook"])
    with trying._places, trying._places:
        began = time.monotonic()
        assert fired(member, alarm)[0]["status"] == "pending"
        assert time.monotonic() - began < 3


def test_who_may_not(
    member: AlarmingClient, reader: AlarmingClient, stranger: AlarmingClient
) -> None:
    alarm = member.make(alarm_actions=["http://127.0.0.1:9/hook"])
    path = f"/alarms/{alarm['alarm_id']}/test"
    fault_of(reader.ask("POST", path, {}), 403)
    fault_of(stranger.ask("POST", path, {}), 404)
    assert "Value should be one of" in fault_of(member.ask("POST", path, {"state": "x"}), 400)
    fault_of(member.ask("POST", path, {"more": "x"}), 400)
    assert not Notification.objects.exists()


def test_too_often_is_a_429(member: AlarmingClient) -> None:
    alarm = member.make(alarm_actions=["http://127.0.0.1:9/hook"])
    with trying._places, trying._places:
        for _ in range(budget.A_MINUTE):
            fired(member, alarm)
        answer = member.ask("POST", f"/alarms/{alarm['alarm_id']}/test")
    assert "10 messages a minute" in fault_of(answer, 429)
    assert int(answer["Retry-After"]) > 0
