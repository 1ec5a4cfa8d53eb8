"""How much a project may send to one receiver's host: the rest waits, in the database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from alarms import lifecycle
from alarms.choices import State
from alarms.models import Alarm, Notification, SendingBudget
from alarms.notifier import limits, metrics
from alarms.notifier.delivery import send_due
from alarms.notifier.sweep import sweep
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.settings.allowances import parse_allowance
from tests.support.alarms import make_alarm
from tests.support.telling import go
from tests.support.webhooks import Receiver, answering, receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def there(settings: Any, broker: EmbeddedValkey) -> Iterator[Receiver]:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
    settings.TELEMETRY_NOTIFICATIONS_PER_MINUTE = 2
    with receiver(answering(200)) as one:
        yield one


def say(url: str, number: int, project_id: str | None = "p1") -> None:
    for place in range(number):
        go(make_alarm(name=f"a{place}", alarm_actions=[url], project_id=project_id))


def pass_time(seconds: float) -> None:
    SendingBudget.objects.update(at=F("at") - timedelta(seconds=seconds))


def test_what_is_over_the_limit_waits_and_goes_out_with_time(there: Receiver) -> None:
    say(there.url(), 4)
    with receiver(answering(200)) as elsewhere:
        say(elsewhere.url(), 1)
        say(there.url(), 1, "p2")
        say(there.url(), 3, None)
        assert send_due() == 2 + 1 + 1 + 3, "another host, another project, the operator's own"
    assert limits.held_up(Notification.objects.all()).count() == 2
    assert [one.project_id for one in limits.spent()] == ["p1"]
    assert 0 < limits.spent()[0].wait_s <= 30
    sweep()
    assert metrics.LIMITED._value.get() == 2
    pass_time(31)
    assert send_due() == 1
    pass_time(3600)
    assert send_due() == 1
    assert not limits.held_up(Notification.objects.all()).exists()
    assert Notification.objects.filter(status="delivered").count() == 9


def test_without_a_limit_nothing_waits(there: Receiver, settings: Any) -> None:
    settings.TELEMETRY_NOTIFICATIONS_PER_MINUTE = 0
    say(there.url(), 5)
    assert send_due() == 5
    assert not SendingBudget.objects.exists()
    assert limits.spent() == []


def test_of_too_much_that_waits_each_alarms_newest_word_stays(
    there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_WAITING", 3)
    say(there.url(), 2)
    assert send_due() == 2
    alarm = make_alarm(name="flapping", alarm_actions=[there.url()], ok_actions=[there.url()])
    for state in (State.ALARM, State.OK, State.ALARM):
        go(alarm, state)
    assert limits.coalesce() == 0, "not too much yet"
    go(make_alarm(name="steady", alarm_actions=[there.url()]))
    assert limits.coalesce() == 2
    own = Notification.objects.filter(alarm_id=alarm.pk).order_by("state_version")
    assert list(own.values_list("status", "last_error")) == [
        ("cancelled", "coalesced"), ("cancelled", "coalesced"), ("pending", ""),
    ]  # fmt: skip
    assert Notification.objects.filter(alarm_name="steady", status="pending").exists()


def test_what_the_house_has_to_do_is_not_limited(there: Receiver) -> None:
    say(there.url(), 3)
    send_due()
    row = Notification.objects.filter(status="pending").get()
    Notification.objects.filter(pk=row.pk).update(destination="remove-trust", url="remove-trust:x")
    assert send_due() == 1
    lifecycle.delete(Alarm.objects.get(pk=row.alarm_id), "u1")
    assert SendingBudget.objects.count() == 1
