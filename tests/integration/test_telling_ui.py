"""The pages of receivers and routes, and of messages that tell several alarms."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from alarms.choices import ROUTE
from alarms.models import Notification, Receiver, Route, SendingBudget
from alarms.telling.grouping import tell
from telemetry_site.auth.models import Membership
from tests.browser import seed
from tests.support.alarms import make_alarm
from tests.support.telling import go, make_receiver, make_route
from tests.support.visitors import signed_in, text, told

RECEIVER = {"name": "ops", "url": "https://8.8.8.8/a-secret-path", "secret": "", "project": ""}
WORDS = {"subject": "{{ alarm_name }}", "body": ""}
ROUTE_FORM = {
    "name": "web-*", "severity": "low", "wait": "5", "interval": "60", "repeat_interval": "",
    "position": "1", "actions": "https://8.8.8.8/a-secret-path\nreceiver://ops", "project": "",
    "group_by": ["severity", "metric"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def people(db: None) -> None:
    seed.users()
    reader = User.objects.create_user("reader", password="correct horse battery")
    Membership.objects.create(user=reader, project_id=seed.PROJECT, role="reader")


def of(view: str, one: Any) -> str:
    return reverse(f"alarms:{view}", args=[one.pk])


def test_a_receiver_from_the_empty_list_to_its_end() -> None:
    client = signed_in("member")
    page = text(client, "/receivers")
    assert "No receiver has a name yet" in page
    assert "webhook_receiver" in page
    secret = {"secret": "sixteen-letters-x"}
    page = told(client, "/receivers/new", RECEIVER | WORDS | secret)
    assert "receiver://ops" in page
    assert "a-secret-path" not in page
    assert "nothing sent yet" in page
    one = Receiver.objects.get()
    assert (one.project_id, one.secret) == (seed.PROJECT, secret["secret"])
    form = text(client, of("edit-receiver", one))
    assert "a-secret-path" in form
    assert secret["secret"] not in form
    told(client, of("edit-receiver", one), RECEIVER | WORDS | {"name": "night"})
    one.refresh_from_db()
    assert (one.name, one.secret) == ("night", secret["secret"]), "an empty secret stays"
    told(client, of("edit-receiver", one), RECEIVER | WORDS | {"no_secret": "on"})
    one.refresh_from_db()
    assert (one.name, one.secret) == ("ops", "")
    page = told(client, of("test-receiver", one), {})
    assert "Test of ops" in page
    Notification.objects.update(status="failed", last_status=410, last_error="http_410")
    page = text(client, "/receivers")
    assert "HTTP 410" in page
    assert f'href="/notifications?receiver={one.pk}"' in page
    page = text(client, f"/notifications?receiver={one.pk}")
    assert "HTTP 410" in page
    assert "to <bdi>ops</bdi>" in page
    assert "HTTP 410" not in text(client, f"/notifications?receiver={uuid.uuid4()}")
    make_alarm(name="cpu", project_id=seed.PROJECT, alarm_actions=["receiver://ops"])
    assert "named by the alarm &quot;cpu&quot;" in told(client, of("delete-receiver", one), {})
    other = make_receiver("other", project_id=seed.PROJECT)
    assert "other is deleted" in told(client, of("delete-receiver", other), {})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "a b"}, "Must be 1 to 64 letters"),
        ({"url": "http://127.0.0.1/"}, "Leads into a network"),
        ({"secret": "short"}, "Must be 16 to 255"),
        ({"subject": "{% load x %}"}, "Line 1"),
    ],
)
def test_errors_of_a_receiver_stand_at_their_fields(fields: dict[str, str], words: str) -> None:
    page = told(signed_in("member"), "/receivers/new", RECEIVER | WORDS | fields, 422)
    assert words in page
    assert f'id="{next(iter(fields))}-error"' in page
    assert not Receiver.objects.exists()


def test_a_route_from_the_empty_list_to_its_end() -> None:
    client = signed_in("member")
    make_receiver(project_id=seed.PROJECT)
    assert "Each alarm is told by itself" in text(client, "/routes")
    page = told(client, "/routes/new", ROUTE_FORM)
    assert "name = web-*" in page
    assert "a-secret-path" not in page
    route = Route.objects.get()
    assert (route.wait, route.repeat_interval, route.group_by) == (
        5,
        14_400,
        ["severity", "metric"],
    )
    assert "a-secret-path" in text(client, of("edit-route", route))
    told(client, of("edit-route", route), ROUTE_FORM | {"wait": "7", "group_by": []})
    route.refresh_from_db()
    assert (route.wait, route.group_by) == (7, [])
    assert "is deleted" in told(client, of("delete-route", route), {})


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"wait": "x"}, "wait"), ({"interval": "0"}, "interval"), ({"actions": ""}, "actions"),
        ({"actions": "receiver://none"}, "actions"), ({"severity": "grave"}, "severity"),
    ],
)  # fmt: skip
def test_errors_of_a_route_stand_at_their_fields(fields: dict[str, str], place: str) -> None:
    make_receiver(project_id=seed.PROJECT)
    page = told(signed_in("member"), "/routes/new", ROUTE_FORM | fields, 422)
    assert f'id="{place}-error"' in page
    assert not Route.objects.exists()


def test_who_may_not_gets_nowhere() -> None:
    one, route = make_receiver(project_id=seed.PROJECT), make_route(project_id=seed.PROJECT)
    for who, status in (("reader", 403), ("stranger", 404)):
        client = signed_in(who)
        for page in (
            of("edit-receiver", one), of("delete-receiver", one), of("test-receiver", one),
            of("edit-route", route), of("delete-route", route),
        ):  # fmt: skip
            assert client.post(page, {}).status_code == status, (who, page)
        assert ("ops" in text(client, "/receivers")) == (who == "reader")
        assert "8.8.8.8/hook" not in text(client, "/receivers")
    reader = signed_in("reader")
    for page in ("/receivers/new", "/routes/new"):
        assert reader.get(page).status_code == 403
    foreign = {"project": "somebody-elses"}
    assert signed_in("member").post("/routes/new", ROUTE_FORM | foreign).status_code == 403
    assert (Receiver.objects.count(), Route.objects.count()) == (1, 1)
    assert not Notification.objects.exists()


def test_a_message_of_a_route_and_what_it_tells_lead_to_each_other() -> None:
    make_route(project_id=seed.PROJECT, group_by=["severity"])
    for name in ("web-1", "web-2"):
        go(make_alarm(name=name, project_id=seed.PROJECT, alarm_actions=[ROUTE]))
    assert tell() == 1
    client = signed_in("member")
    rows = Notification.objects.all()
    [message] = [row for row in rows if row.is_of_route]
    assert "2 alarms, severity low" in text(client, "/notifications")
    page = text(client, of("notification", message))
    for words in ("web-1", "web-2", "message of a route"):
        assert words in page
    [one] = [row for row in rows if row.alarm_name == "web-1"]
    page = text(client, of("notification", one))
    assert "grouped" in page
    assert of("notification", message) in page


def test_what_waits_for_the_limit_is_said() -> None:
    client = signed_in("member")
    go(make_alarm(project_id=seed.PROJECT, alarm_actions=["https://8.8.8.8/x"]))
    assert "a minute to one host" not in text(client, "/notifications")
    row = Notification.objects.get()
    SendingBudget.objects.create(
        project_id=row.project_id, destination=row.destination, level=0, at=row.created_at
    )
    page = text(client, "/notifications")
    assert "1 message waits: a project may send 60 a minute to one host." in page
