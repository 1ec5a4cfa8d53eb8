"""zaqar, trust+zaqar and trust+heat with a real Keystone: its catalogue says where they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from alarms import outbox
from alarms.choices import State
from alarms.models import Alarm, Notification
from alarms.notifier.delivery import send_due
from tests.integration.keystone.asking import Caller
from tests.keystone import KeystoneServer
from tests.support.cloud import Heat, Zaqar

pytestmark = [
    pytest.mark.keystone,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sending_door"),
]
HEALTH = {
    "type": "loadbalancer_member_health", "stack_id": "S1", "asg_id": "G1",
    "unhealthy_members": [{"id": "m1"}, {"id": "m2"}, {"id": "unknown"}],
}  # fmt: skip


def listed(door: KeystoneServer, kind: str, url: str) -> Iterator[None]:
    """A service in the catalogue, with an endpoint that is not ours before the one that is."""
    made = door.call("POST", "services", {"service": {"type": kind, "name": kind}})
    service = made["service"]["id"]
    for interface, where in (("internal", "http://127.0.0.1:1"), ("public", url)):
        one = {"service_id": service, "interface": interface, "url": where}
        door.call("POST", "endpoints", {"endpoint": one})
    yield
    door.call("DELETE", f"services/{service}")


@pytest.fixture
def zaqar(door: KeystoneServer) -> Iterator[Zaqar]:
    service = Zaqar()
    for _ in listed(door, "messaging", service.url):
        yield service
    service.receiver.close()


@pytest.fixture
def heat(door: KeystoneServer) -> Iterator[Heat]:
    service = Heat({"m1": "member-1", "m2": "member-2", "m3": "member-3"})
    for _ in listed(door, "orchestration", service.url):
        yield service
    service.receiver.close()


def fire(made: dict[str, Any], data: dict[str, Any] | None = None) -> Notification:
    alarm = Alarm.objects.get(pk=made["alarm_id"])
    before = alarm.state
    alarm.state, alarm.state_version = State.ALARM, alarm.state_version + 1
    alarm.save()
    [row] = Notification.objects.bulk_create(outbox.messages(alarm, before, "because", data or {}))
    send_due()
    row.refresh_from_db()
    return row


def owner_of(door: KeystoneServer, token: str) -> str:
    told = door.admin.get(f"{door.url}/auth/tokens", headers={"X-Subject-Token": token}).json()
    return str(told["token"]["user"]["name"])


def test_a_topic_is_a_queue_of_the_alarms_own(
    member: Caller, zaqar: Zaqar, door: KeystoneServer
) -> None:
    hook = "http://hook.example/"
    made = member.make(alarm_actions=[f"zaqar://?topic=T&subscriber={hook}&ttl=60"])
    for _ in range(2):
        row = fire(made)
        assert (row.status, row.last_status) == ("delivered", 201), row.last_error
    queue = f"{made['alarm_id']}-T"
    assert [one["reason"] for one in zaqar.queues[queue]] == ["because", "because"]
    assert zaqar.subscriptions == [(queue, hook, 60)]
    assert owner_of(door, zaqar.receiver.requests[0].headers["x-auth-token"]) == "telemetry"


def test_with_a_trust_it_is_who_made_the_alarm(
    member: Caller, zaqar: Zaqar, door: KeystoneServer
) -> None:
    row = fire(member.make(alarm_actions=["trust+zaqar://?queue_name=Q"]))
    assert (row.status, len(zaqar.queues["Q"])) == ("delivered", 1)
    assert owner_of(door, zaqar.receiver.requests[0].headers["x-auth-token"]) == "member"


def test_what_the_catalogue_does_not_have_is_asked_for_again(member: Caller) -> None:
    row = fire(member.make(alarm_actions=["zaqar://?topic=T"]))
    assert (row.status, row.last_error) == ("pending", "no_endpoint")


def test_a_stack_replaces_what_is_unhealthy(
    member: Caller, heat: Heat, door: KeystoneServer
) -> None:
    made = member.make(alarm_actions=["trust+heat://"])
    heat.is_busy = True
    row = fire(made, HEALTH)
    assert (row.status, row.last_error) == ("pending", "http_409"), "it is being updated"
    heat.is_busy = False
    assert outbox.retry(Notification.objects.filter(pk=row.pk)) == 1
    send_due()
    row.refresh_from_db()
    assert (row.status, row.last_status) == ("delivered", 202)
    wanted = {"mark_unhealthy": True, "resource_status_reason": "unhealthy load balancer member"}
    assert heat.marked == {"member-1": wanted, "member-2": wanted}
    assert heat.updates == [{}], "the template that it has"
    assert {owner_of(door, token) for token in heat.tokens} == {"member"}
    project = door.find("projects", "p1")
    assert heat.receiver.requests[0].line.startswith(f"GET /v1/{project}/stacks/S1 ")


def test_nothing_is_touched_where_no_member_is_the_stacks(member: Caller, heat: Heat) -> None:
    row = fire(member.make(alarm_actions=["trust+heat://"]), HEALTH | {"unhealthy_members": []})
    assert (row.status, heat.marked, heat.updates) == ("delivered", {}, [])
    assert "nothing is marked" in row.tries.get().answer


def test_an_alarm_that_names_no_stack_says_so(member: Caller, heat: Heat) -> None:
    row = fire(member.make(alarm_actions=["trust+heat://"]))
    assert (row.status, row.last_error) == ("failed", "no_stack")
