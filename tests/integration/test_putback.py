"""The notifier after the database's clock was put back (rule K1): what waits goes on waiting for
about as long as it was asked to, whatever the clock says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from alarms import outbox, tasks
from alarms.choices import ROUTE, Delivery, State
from alarms.models import Alarm, Destination, Notification, RouteGroup, SendingBudget
from alarms.notifier import delivery
from alarms.notifier.delivery import send_due
from alarms.notifier.putback import mend
from alarms.telling.grouping import tell
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.settings.allowances import parse_allowance
from tests.support.alarms import make_alarm
from tests.support.telling import go, make_route
from tests.support.webhooks import answering, receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("made_tasks")]
HOUR = 3600
TIMES: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (
        Notification,
        ("created_at", "next_attempt_at", "lease_until", "retrying_since", "tried_at"),
    ),
    (Destination, ("open_until", "updated_at")),
    (SendingBudget, ("at",)),
    (RouteGroup, ("due_at", "told_at", "touched_at")),
)


@pytest.fixture(autouse=True)
def _loopback(settings: Any, broker: EmbeddedValkey) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]


def put_back(seconds: float) -> None:
    """The clock: all that is stored comes to lie so much later."""
    by = timedelta(seconds=seconds)
    for model, fields in TIMES:
        model.objects.update(**{name: F(name) + by for name in fields})


def pass_time(seconds: float) -> None:
    put_back(-seconds)


def message(url: str, alarm: Alarm | None = None) -> Notification:
    """What an alarm that fires asks to be sent."""
    alarm = alarm or make_alarm(alarm_actions=[url])
    go(alarm)
    return Notification.objects.latest("created_at")


def wait_s(row: Notification) -> float:
    got = Notification.objects.annotate(wait=F("next_attempt_at") - Now()).get(pk=row.pk)
    seconds: float = got.wait.total_seconds()
    return seconds


def test_a_retry_is_not_late() -> None:
    with receiver(answering(500, 200)) as there:
        row = message(there.url())
        assert send_due() == 1
        put_back(HOUR)
        assert send_due() == 0
        assert mend() > 0
        assert send_due() == 1
    row.refresh_from_db()
    assert (row.status, row.attempts) == (Delivery.DELIVERED, 2)


def test_neither_is_what_was_never_tried() -> None:
    with receiver(answering(200)) as there:
        message(there.url())
        put_back(HOUR)
        tasks.sweep_outbox.run()
        assert send_due() == 1


def test_who_waits_as_long_as_it_may_goes_on_waiting() -> None:
    with receiver(answering(503, headers="Retry-After: 3600\r\n")) as there:
        row = message(there.url())
        send_due()
        assert mend() == 0
        assert wait_s(row) > HOUR - 60
        pass_time(HOUR / 2)
        put_back(HOUR / 4)
        assert mend() == 0
        assert HOUR / 2 < wait_s(row) < HOUR, "later by what it has waited already, at most"


def test_one_that_was_asked_for_again_is_sent_again() -> None:
    with receiver(answering(410, 200)) as there:
        row = message(there.url())
        send_due()
        pass_time(5 * HOUR)
        outbox.retry(Notification.objects.filter(pk=row.pk))
        put_back(HOUR)
        mend()
        assert send_due() == 1


def test_a_living_notifiers_message_is_left_to_it(settings: Any) -> None:
    """And a dead one's is nobody's for no longer than else."""
    with receiver(answering(200)) as there:
        message(there.url())
        taken = delivery._claim()
        assert taken is not None
        delivery._finished(taken)
        put_back(HOUR)
        mend()
        assert send_due() == 0
        pass_time(settings.TELEMETRY_NOTIFIER_LEASE + 1)
        assert send_due() == 1


def test_a_receiver_is_left_alone_for_a_minute_only() -> None:
    with receiver(answering(500, 500, 500, 500, 500, 200)) as there:
        row = message(there.url())
        while send_due():
            row.refresh_from_db()
            if row.failures < 5:
                pass_time(5000)
        assert Destination.objects.filter(open_until__gt=Now()).exists()
        put_back(HOUR)
        mend()
        assert send_due() == 0
        pass_time(61)
        assert send_due() == 1
    row.refresh_from_db()
    assert row.status == Delivery.DELIVERED


def test_a_limit_fills_up_again(settings: Any) -> None:
    settings.TELEMETRY_NOTIFICATIONS_PER_MINUTE = 1
    with receiver(answering(200)) as there:
        alarm = make_alarm(alarm_actions=[there.url()], ok_actions=[there.url()])
        message(there.url(), alarm)
        assert send_due() == 1
        put_back(HOUR)
        go(alarm, State.OK)
        mend()
        assert send_due() == 0
        pass_time(61)
        assert send_due() == 1


def test_a_route_tells_what_it_has_gathered_and_keeps_its_distance() -> None:
    make_route("log://", wait=0, interval=300)
    alarm = make_alarm(alarm_actions=[ROUTE], ok_actions=[ROUTE])
    go(alarm)
    assert tell() == 1
    go(alarm, State.OK)
    assert tell() == 0
    put_back(HOUR)
    assert tell() == 0
    mend()
    assert tell() == 1
    go(alarm)
    assert tell() == 0
    put_back(-301)
    assert tell() == 1


def test_what_a_route_gathers_was_not_said_in_the_future() -> None:
    make_route("log://", wait=30)
    go(make_alarm(alarm_actions=[ROUTE]))
    put_back(HOUR)
    assert tell() == 0
    put_back(-31)
    assert tell() == 1


def test_a_day_is_not_shortened() -> None:
    with receiver(answering(500)) as there:
        row = message(there.url())
        send_due()
        put_back(10 * HOUR)
        mend()
        send_due()
        put_back(-20 * HOUR)
        send_due()
    row.refresh_from_db()
    assert row.status == Delivery.PENDING
    assert row.retrying_since is not None
