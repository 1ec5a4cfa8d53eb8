"""Receivers by the native door."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db.models.functions import Now

from alarms import outbox
from alarms.models import Destination, Notification, Receiver
from alarms.notifier.delivery import send_due
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.settings.allowances import parse_allowance
from tests.api.people import Client, error_of
from tests.support.alarms import make_alarm
from tests.support.telling import go, make_receiver, make_route
from tests.support.webhooks import answering, receiver

pytestmark = pytest.mark.django_db
PATH = "/api/receivers"
BODY = {"name": "ops", "url": "https://8.8.8.8/a-secret-path"}


def test_one_is_made_shown_changed_and_deleted(member: Client, reader: Client) -> None:
    template = {"subject": "{{ alarm_name }}"}
    asked = BODY | {"secret": "sixteen-letters-x", "template": template}
    answer = member.post(PATH, asked, format="json")
    assert answer.status_code == 201, answer.content
    made = answer.json()
    path = f"{PATH}/{made['id']}"
    assert answer["Location"].endswith(path)
    assert (made["action"], made["has_secret"], made["last"]) == ("receiver://ops", True, None)
    assert (made["url"], made["template"]) == (BODY["url"], template)
    assert "sixteen-letters-x" not in str(answer.content)
    assert reader.fetch(path)["url"] == "https://8.8.8.8/…"
    changed = member.patch(path, {"name": "night", "secret": ""}, format="json").json()
    assert (changed["name"], changed["has_secret"]) == ("night", False)
    assert changed["template"] == template, "what is not given stays"
    assert member.delete(path).status_code == 204
    error_of(member.get(path), 404)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": 1}, "name"),
        ({"url": "nonsense"}, "url"),
        ({"url": "http://127.0.0.1/x"}, "url"),
        ({"url": "log://"}, "url"),
        ({"url": "receiver://ops"}, "url"),
        ({"url": "route://"}, "url"),
        ({"url": "trust+http://h.example/"}, "url"),
        ({"secret": "short"}, "secret"),
        ({"secret": "whsec_!!!!!!!!!!!!!!!!!!!"}, "secret"),
        ({"secret": 5}, "secret"),
        ({"template": {"footer": "x"}}, "template.footer"),
        ({"template": {"body": "{% load x %}"}}, "template.body"),
        ({"template": "x"}, "template"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_named(member: Client, fields: dict[str, Any], field: str) -> None:
    answer = member.post(PATH, BODY | fields, format="json")
    assert error_of(answer, 400)["errors"][0]["field"] == field


def test_a_name_is_there_once_in_a_project(member: Client, admin: Client) -> None:
    make_receiver("ops", project_id="p2")
    assert member.post(PATH, BODY, format="json").status_code == 201
    assert "already" in error_of(member.post(PATH, BODY, format="json"), 409)["detail"]
    for _ in range(2):
        status = admin.post(PATH, BODY, format="json").status_code
    assert status == 409, "the installation's own too"


def test_one_that_is_used_stays_and_says_by_whom(member: Client) -> None:
    one = make_receiver()
    path = f"{PATH}/{one.pk}"
    for name in ("e", "d", "c", "b"):
        make_alarm(name=name, alarm_actions=["receiver://ops"])
    make_alarm(name="foreign", project_id="p2", alarm_actions=["receiver://ops"])
    make_route("receiver://ops")
    for answer in (member.delete(path), member.patch(path, {"name": "new"}, format="json")):
        words = error_of(answer, 409)["detail"]
        assert 'named by the alarms "b", "c", "d" and 1 more and 1 route' in words
    assert member.patch(path, {"url": "https://8.8.4.4/"}, format="json").status_code == 200


def test_what_waits_goes_to_the_new_address_and_is_cancelled_with_the_receiver(
    member: Client,
) -> None:
    one = make_receiver()
    alarm = make_alarm(alarm_actions=["receiver://ops"])
    go(alarm)
    row = Notification.objects.get()
    assert (row.url, row.destination) == (one.url, "https://8.8.8.8:443")
    member.patch(f"{PATH}/{one.pk}", {"url": "https://8.8.4.4/"}, format="json")
    row.refresh_from_db()
    assert row.destination == "https://8.8.4.4:443"
    make_alarm(name="other")
    alarm.delete()
    assert member.delete(f"{PATH}/{one.pk}").status_code == 204
    row.refresh_from_db()
    assert row.status == "cancelled"


def test_an_alarm_names_one_of_its_own_project(member: Client) -> None:
    make_receiver("theirs", project_id="p2")
    make_receiver("ours")
    rule = {"metric": "cpu", "resource_id": "vm-1", "aggregation_method": "mean", "threshold": 1}
    body = {"name": "n", "type": "gnocchi_resources_threshold", "rule": rule}
    for name, status in (("ours", 201), ("theirs", 400), ("none", 400)):
        asked = body | {"alarm_actions": [f"receiver://{name}"]}
        assert member.post("/api/alarms", asked, format="json").status_code == status


def test_the_last_outcome_and_the_open_breaker_are_shown(reader: Client) -> None:
    one = make_receiver()
    go(make_alarm(alarm_actions=["receiver://ops"]))
    Notification.objects.update(status="failed", last_status=404, last_error="http_404")
    Destination.objects.create(key="https://8.8.8.8:443", failures=5, open_until=Now())
    [shown] = reader.fetch(PATH)["results"]
    assert shown["left_alone_until"] is None
    assert shown["last"] == {
        "status": "failed", "status_code": 404, "error": "http_404",
        "created_at": shown["last"]["created_at"],
    }  # fmt: skip
    Destination.objects.update(open_until="2199-01-01T00:00:00Z")
    assert reader.fetch(f"{PATH}/{one.pk}")["left_alone_until"].startswith("2199")


@pytest.mark.django_db(transaction=True)
def test_a_name_that_is_none_any_more_ends_the_delivery() -> None:
    one = make_receiver()
    alarm = make_alarm(alarm_actions=["receiver://ops"])
    Receiver.objects.filter(pk=one.pk).delete()
    [row] = outbox.send_test(alarm, "alarm", "ada")
    send_due()
    row.refresh_from_db()
    assert (row.url, row.status, row.last_error) == ("receiver://ops", "failed", "no_receiver")


@pytest.mark.django_db(transaction=True)
def test_a_test_is_sent_as_every_message_and_its_answer_told(
    member: Client, notifier: None, broker: EmbeddedValkey, settings: Any
) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
    with receiver(answering(200, 410)) as there:
        one = make_receiver(url=there.url(), secret="sixteen-letters-x")
        path = f"{PATH}/{one.pk}/test"
        first, second = (member.post(path, format="json").json() for _ in range(2))
    assert (first.pop("took_ms") >= 0, first) == (
        True, {"status": "delivered", "status_code": 200, "error": ""},
    )  # fmt: skip
    assert (second["status"], second["error"]) == ("failed", "http_410")
    request = there.requests[0]
    assert request.headers["x-alarm-test"] == "true"
    assert request.headers["x-telemetry-signature"].count("v1=") == 1
    assert json.loads(request.body)["reason_data"] == {"type": "test"}
    assert member.fetch(f"{PATH}/{one.pk}")["last"]["status_code"] == 410
