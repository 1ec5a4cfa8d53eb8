"""Routes on a real database: what several alarms say is told at once, each word once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from signal import SIGKILL
from typing import Any

import pytest
from django.db import connection, transaction
from structlog.testing import capture_logs

from alarms import lifecycle, outbox
from alarms.choices import ROUTE, Delivery, State
from alarms.models import Alarm, Notification, RouteGroup
from alarms.muting.releasing import release
from alarms.notifier import actions, delivery
from alarms.notifier.delivery import send_due
from alarms.notifier.templates import written
from alarms.telling import grouping, routes
from alarms.telling.grouping import tell
from meters.store.timelimit import at_most
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.settings.allowances import parse_allowance
from tests.support.alarms import make_alarm
from tests.support.muting import end, make_inhibition, make_silence, matcher
from tests.support.telling import go, make_receiver, make_route, pass_time
from tests.support.threads import at_once
from tests.support.webhooks import answering, receiver

pytestmark = pytest.mark.django_db
TELL = "from alarms.telling.grouping import tell; tell()"


@pytest.fixture(autouse=True)
def _broker(broker: EmbeddedValkey) -> None:
    """Hints need one."""


def member(name: str = "web-1", **fields: Any) -> Alarm:
    return make_alarm(name=name, alarm_actions=[ROUTE], ok_actions=[ROUTE], **fields)


def messages() -> list[Notification]:
    """Those of routes, oldest first."""
    rows = Notification.objects.exclude(url=ROUTE).order_by("created_at", "state_version")
    return [row for row in rows if row.is_of_route]


def names(row: Notification) -> list[str]:
    return [one["alarm_name"] for one in json.loads(row.body)["alarms"]]


def statuses() -> dict[str, int]:
    found: dict[str, int] = {}
    for status in Notification.objects.filter(url=ROUTE).values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


def test_alarms_that_agree_are_told_at_once_in_a_documented_body() -> None:
    make_route(group_by=["severity"])
    for name, severity in (("a", "low"), ("b", "critical"), ("c", "critical")):
        go(member(name, severity=severity))
    assert tell() == 2
    assert statuses() == {"grouped": 3}
    low, critical = sorted(messages(), key=lambda row: row.severity, reverse=True)
    body = json.loads(critical.body)
    assert body["group"] == {"severity": "critical"}
    assert list(body["alarms"][0]) == [
        "alarm_name", "alarm_id", "severity", "previous", "current", "reason", "reason_data",
    ]  # fmt: skip
    assert (names(low), names(critical)) == (["a"], ["b", "c"])
    assert (critical.alarm_name, critical.current) == ("2 alarms, severity critical", "alarm")
    assert critical.project_id == "p1"
    assert tell() == 0


def test_the_first_message_waits_and_the_next_one_keeps_the_distance() -> None:
    make_route(wait=30, interval=300)
    go(member("a"))
    assert tell() == 0
    assert statuses() == {"gathering": 1}
    pass_time(31)
    assert tell() == 1
    go(member("b"))
    tell()
    pass_time(250)
    assert tell() == 0
    pass_time(51)
    assert tell() == 1
    assert [names(row) for row in messages()] == [["a"], ["b"]]
    assert [row.state_version for row in messages()] == [1, 2]


def test_what_is_over_before_it_could_be_told_is_not() -> None:
    make_route(wait=30)
    alarm = member()
    go(alarm)
    go(alarm, State.OK)
    tell()
    pass_time(31)
    alarm.refresh_from_db()
    assert (tell(), messages()) == (1, messages())
    assert json.loads(messages()[0].body)["alarms"][0]["current"] == "ok", "from insufficient data"
    go(alarm)
    go(alarm, State.OK)
    tell()
    pass_time(1000)
    assert tell() == 0
    assert statuses() == {"grouped": 1, "cancelled": 3}


def test_a_repetition_waits_for_its_interval() -> None:
    make_route(repeat_interval=3600)
    alarm = member(repeat_actions=True)
    go(alarm)
    assert tell() == 1
    for number in (1, 2):
        go(alarm, repeat_no=number)
    tell()
    pass_time(60)
    assert tell() == 0
    pass_time(3600)
    go(alarm, repeat_no=3)
    assert tell() == 1
    assert json.loads(messages()[-1].body)["alarms"][0]["previous"] == "alarm"


def test_each_event_is_told() -> None:
    make_route()
    alarm = member()
    Alarm.objects.filter(pk=alarm.pk).update(type="event")
    go(alarm)
    go(alarm, repeat_no=1)
    assert tell() == 1
    assert len(names(messages()[0])) == 2


def test_the_first_route_that_fits_takes_it_and_what_none_takes_can_be_retried() -> None:
    make_route("test://late", position=2)
    make_route("test://first", position=1, match={"name": "web_*", "severity": "low"})
    make_route("test://foreign", project_id="p2")
    go(member("web_1"))
    go(member("web-1"))
    tell()
    assert {row.url: names(row) for row in messages()} == {
        "test://first": ["web_1"], "test://late": ["web-1"],
    }  # fmt: skip
    lonely = member("x", project_id="p3")
    go(lonely)
    tell()
    rows = Notification.objects.filter(alarm_id=lonely.pk)
    assert rows.values_list("status", "last_error").get() == ("failed", "no_route")
    make_route("test://of-house", project_id=None, match={"project": "p3"})
    assert outbox.retry(rows) == 1
    assert tell() == 1
    assert (messages()[-1].url, messages()[-1].project_id) == ("test://of-house", "p3")


def test_silences_and_inhibitions_hold_until_they_end() -> None:
    make_route(wait=30)
    noisy, quiet = member("noisy"), member("quiet")
    make_inhibition(matcher("name", "source"), matcher("name", "noisy"))
    go(quiet)
    go(noisy)
    silence = make_silence(matcher("name", "quiet"))
    source = lifecycle.set_state(make_alarm(name="source"), "alarm", "u1")
    tell()
    pass_time(31)
    assert tell() == 0, "what began while they waited counts too"
    assert statuses() == {"suppressed": 2}
    end(silence)
    assert release() == 1
    tell()
    pass_time(31)
    assert tell() == 1
    lifecycle.set_state(source, "ok", "u1")
    assert release() == 1
    tell()
    pass_time(31)
    assert tell() == 1
    assert [names(row) for row in messages()] == [["quiet"], ["noisy"]]


def test_nothing_is_said_for_an_alarm_that_is_deleted() -> None:
    make_route(wait=30)
    alarm = member()
    go(alarm)
    tell()
    lifecycle.delete(alarm, "u1")
    pass_time(31)
    assert tell() == 0
    assert statuses() == {"cancelled": 1}


def test_a_route_that_changes_or_goes_takes_nothing_along() -> None:
    first, second = make_route("test://a", wait=30), make_route("test://b", wait=30, position=1)
    go(member())
    tell()
    fields = {"actions": ["test://c"], "group_by": ["severity"], "wait": 30}
    routes.change(first, routes.check(fields, "p1", True), "u1")
    tell()
    assert RouteGroup.objects.get().key == ["low"]
    routes.delete(first)
    tell()
    assert RouteGroup.objects.get().route_id == second.pk
    pass_time(31)
    assert tell() == 1
    assert messages()[0].url == "test://b"


def test_many_are_told_in_messages_of_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "LARGEST", 2)
    make_route("test://x", "test://y")
    for number in range(5):
        go(member(f"a{number}"))
    assert tell() == 6
    told = [name for row in messages() if row.url == "test://x" for name in names(row)]
    assert sorted(told) == [f"a{number}" for number in range(5)]
    go(member("more"))
    tell()
    pass_time(2)
    tell()
    assert messages()[-1].state_version == 4
    assert len({row.pk for row in messages()}) == 8


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["routes.after_gather", "routes.before_commit"])
def test_who_is_killed_loses_and_doubles_nothing(
    process_env: Callable[..., dict[str, str]], where: str
) -> None:
    make_route()
    go(member())
    told = subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", TELL],
        env=process_env("notifier", TELEMETRY_FAILPOINTS=f"{where}=kill9"), capture_output=True,
    )  # fmt: skip
    assert told.returncode == -SIGKILL, told.stderr
    with transaction.atomic(), connection.cursor() as cursor:  # until its session has ended, too
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [grouping.LOCK])
    assert statuses() == {"gathering": 1}
    assert not messages()
    assert (tell(), tell(), len(messages())) == (1, 0, 1)


@pytest.mark.django_db(transaction=True)
def test_several_that_tell_at_once_say_it_once() -> None:
    make_route()
    for number in range(20):
        go(member(f"a{number}"))
    assert sum(at_once(4, tell)) == 1
    tell()
    assert sorted(names(messages()[0])) == sorted(f"a{number}" for number in range(20))
    assert len(messages()) == 1


@pytest.mark.django_db(transaction=True)
def test_it_arrives_by_a_named_receiver_signed_with_its_secret(settings: Any) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
    with receiver(answering(200)) as there:
        make_receiver("ops", there.url(), secret="sixteen-letters-x")
        make_route("receiver://ops")
        go(member())
        assert tell() == 1
        assert send_due() == 1
        [request] = there.requests
        assert names(messages()[0]) == ["web-1"]
        assert json.loads(request.body) == json.loads(messages()[0].body)
        assert request.headers["webhook-signature"].startswith("v1,")
    assert messages()[0].status == Delivery.DELIVERED


@pytest.mark.django_db(transaction=True)
def test_a_test_shows_what_the_route_would_get() -> None:
    make_route("test://x", group_by=["metric"])
    [row] = outbox.send_test(member(), State.ALARM, "ada")
    assert (row.url, row.is_test) == ("test://x", True)
    assert json.loads(row.body)["group"] == {"metric": "cpu"}
    [lost] = outbox.send_test(member(project_id="p2"), State.ALARM, "ada")
    send_due()
    lost.refresh_from_db()
    assert (lost.status, lost.last_error) == ("failed", "no_route")


@pytest.mark.django_db(transaction=True)
def test_people_are_told_each_alarm_in_a_line() -> None:
    make_route("log://")
    for name in ("web-1", "web-2"):
        go(member(name))
    assert tell() == 1
    message = delivery._claim()
    assert message is not None
    delivery._finished(message)
    text = written(message)
    assert text.subject == "[alarm] 2 alarms"
    for name in ("web-1", "web-2"):
        assert f"\n{name}: insufficient data to alarm. because\n" in text.body
    assert text.body.rstrip().endswith("/alarms")
    with capture_logs() as lines:
        actions.send(message)
    assert [line["event"].split()[2] for line in lines] == ["web-1", "web-2"]
    own = message._replace(template=json.dumps({"subject": "{{ alarm_name }} {{ severity }}"}))
    assert written(own).subject == "2 alarms low"


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_thousands_are_told_in_seconds(is_analyzed: bool) -> None:
    """Whatever the planner believes of tables that were empty just now."""
    make_route(group_by=["severity"])
    one = member()
    if is_analyzed:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE alarms_notification, alarms_alarm, alarms_routegroup")
    fields = {
        field.attname: getattr(one, field.attname)
        for field in one._meta.concrete_fields
        if field.attname != "id"
    } | {"state": "alarm", "state_version": 1}
    alarms = Alarm.objects.bulk_create(Alarm(**fields) for _ in range(2000))
    outbox.put([row for alarm in alarms for row in outbox.messages(alarm, "ok", "because", {})])
    with at_most(3000):
        assert tell() == 4
    assert statuses() == {"grouped": 2000}
