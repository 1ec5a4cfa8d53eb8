"""Actions with a trust, by a real Keystone: made with the alarm, used, removed with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from alarms import lifecycle, outbox
from alarms.choices import Delivery, State
from alarms.models import Alarm, AlarmHistory, Notification
from alarms.notifier.delivery import send_due
from telemetry_site.auth import tokens as own_tokens
from tests.api.alarming.people import body, fault_of
from tests.integration.keystone.asking import Caller, away
from tests.keystone import KeystoneServer
from tests.support.webhooks import Receiver, answering, receiver

pytestmark = [
    pytest.mark.keystone,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sending_door"),
]


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver(answering(200)) as one:
        yield one


def trusts(door: KeystoneServer) -> dict[str, dict[str, Any]]:
    """Those that the service user may use."""
    found = door.call("GET", f"OS-TRUST/trusts?trustee_user_id={door.find('users', 'telemetry')}")
    return {one["id"]: one for one in found["trusts"]}


def fire(alarm_id: str) -> Notification:
    alarm = Alarm.objects.get(pk=alarm_id)
    before = alarm.state
    alarm.state, alarm.state_version = State.ALARM, alarm.state_version + 1
    alarm.save()
    [row] = Notification.objects.bulk_create(outbox.messages(alarm, before, "because", {}))
    send_due()
    row.refresh_from_db()
    return row


def test_from_the_making_to_the_end(member: Caller, door: KeystoneServer, there: Receiver) -> None:
    before = trusts(door).keys()
    url = f"trust+http://127.0.0.1:{there.port}/signal?x=a@b"
    made = member.make(alarm_actions=[url], ok_actions=[f"{url}&ok"])
    assert (made["alarm_actions"], made["ok_actions"]) == ([url], [f"{url}&ok"])
    [trust] = [one for name, one in trusts(door).items() if name not in before]
    assert trust["trustor_user_id"] == door.find("users", "member")
    assert trust["project_id"] == door.find("projects", "p1")
    assert trust["impersonation"] is True
    stored = Alarm.objects.get().alarm_actions
    assert stored == [f"trust+http://{trust['id']}:delete@127.0.0.1:{there.port}/signal?x=a@b"]
    for told in (member.fetch(f"/alarms/{made['alarm_id']}/history"), member.query("/history")):
        assert trust["id"] not in str(told)

    row = fire(made["alarm_id"])
    assert (row.status, row.destination) == (
        Delivery.DELIVERED, f"http://127.0.0.1:{there.port}",
    )  # fmt: skip
    [request] = there.requests
    assert request.line == "POST /signal?x=a@b HTTP/1.1"
    token = request.headers["x-auth-token"]
    told = door.admin.get(f"{door.url}/auth/tokens", headers={"X-Subject-Token": token}).json()
    assert told["token"]["user"]["id"] == door.find("users", "member")
    assert told["token"]["OS-TRUST:trust"]["id"] == trust["id"]

    assert member.ask("DELETE", f"/alarms/{made['alarm_id']}").status_code == 204
    assert trust["id"] in trusts(door), "Keystone is asked after the commit"
    assert send_due() == 1
    assert trusts(door).keys() == before
    assert not Notification.objects.exclude(status=Delivery.DELIVERED).exists()


def test_a_change_keeps_the_trust_of_what_stays_and_removes_the_other(
    member: Caller, door: KeystoneServer, tokens: dict[str, str]
) -> None:
    made = member.make(alarm_actions=["trust+http://one.example/x"])
    path = f"/alarms/{made['alarm_id']}"
    [stored] = Alarm.objects.get().alarm_actions
    rows = AlarmHistory.objects.count()
    assert member.ask("PUT", path, member.fetch(path)).status_code == 200
    assert Alarm.objects.get().alarm_actions == [stored]
    assert AlarmHistory.objects.count() == rows, "what was read was sent back"
    count = len(trusts(door))
    admin = Caller(tokens["admin"])
    changed = body(alarm_actions=["trust+http://two.example/x"])
    assert admin.ask("PUT", path, changed).status_code == 200
    [now] = Alarm.objects.get().alarm_actions
    assert stored.partition("@")[0] != now.partition("@")[0]
    trust_id = now.removeprefix("trust+http://").partition(":")[0]
    assert trusts(door)[trust_id]["trustor_user_id"] == door.find("users", "admin"), (
        "a member's trust goes nowhere that another wrote"
    )
    assert send_due() == 1
    assert len(trusts(door)) == count


def test_one_that_was_removed_meanwhile_ends_the_delivery(
    member: Caller, door: KeystoneServer, there: Receiver, tokens: dict[str, str]
) -> None:
    before = trusts(door).keys()
    made = member.make(alarm_actions=[f"trust+http://127.0.0.1:{there.port}/"])
    [trust_id] = trusts(door).keys() - before
    door.session("member", project_name="p1").delete(f"{door.url}/OS-TRUST/trusts/{trust_id}")
    row = fire(made["alarm_id"])
    assert (row.status, row.last_error) == (Delivery.FAILED, "no_trust")
    assert there.connections == 0
    lifecycle.delete(Alarm.objects.get(), "u1")
    assert send_due() == 1
    assert not Notification.objects.filter(status=Delivery.PENDING).exists()


def test_keystone_is_away(member: Caller, door: KeystoneServer, there: Receiver) -> None:
    made = member.make(alarm_actions=[f"trust+http://127.0.0.1:{there.port}/"])
    with away(door):
        row = fire(made["alarm_id"])
        assert (row.status, row.last_error) == (Delivery.PENDING, "keystone")
        refused = member.ask("POST", "/alarms", body(alarm_actions=["trust+http://h.example/"]))
        assert "Keystone gives no answer" in fault_of(refused, 503)
        lifecycle.delete(Alarm.objects.get(), "u1")
        assert send_due() == 1
        [row] = Notification.objects.filter(url__startswith="remove-trust:")
        assert (row.status, row.last_error) == (Delivery.PENDING, "keystone")
    count = len(trusts(door))
    Notification.objects.filter(pk=row.pk).update(next_attempt_at=row.created_at)
    assert send_due() == 1
    assert len(trusts(door)) == count - 1


def test_an_alarm_that_is_not_made_leaves_no_trust(
    member: Caller, door: KeystoneServer, settings: Any
) -> None:
    settings.TELEMETRY_ALARMS_PER_PROJECT = 0
    before = trusts(door)
    refused = member.ask("POST", "/alarms", body(alarm_actions=["trust+http://h.example/"]))
    fault_of(refused, 403)
    assert trusts(door) == before


def test_nobody_writes_a_trust_by_hand(member: Caller) -> None:
    for url in ("trust+http://deadbeef@h.example/", "trust+http://deadbeef:delete@h.example/"):
        text = fault_of(member.ask("POST", "/alarms", body(alarm_actions=[url])), 400)
        assert text == "trust URL cannot contain a trust ID."
    text = fault_of(member.ask("POST", "/alarms", body(alarm_actions=["remove-trust:x"])), 400)
    assert text == "Unsupported action remove-trust:x"


def test_our_own_tokens_make_no_trust(django_user_model: Any) -> None:
    user = django_user_model.objects.create_superuser("root")
    _, text = own_tokens.issue(user.pk, "t", frozenset(["read", "alarms", "admin"]))
    refused = Caller(text).ask("POST", "/alarms", body(alarm_actions=["trust+http://h.example/"]))
    assert "needs a trust" in fault_of(refused, 400)
