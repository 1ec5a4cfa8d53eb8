"""Alarms on members of pools, against a server that speaks Octavia's JSON over HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from alarms import lifecycle
from alarms.evaluator.cycle import evaluate_due
from alarms.models import Alarm, Notification
from telemetry_site.clock import now
from telemetry_site.outbound import sending
from telemetry_site.settings.allowances import parse_allowance
from tests.support.alarms import make_alarm, store
from tests.support.ports import free_port
from tests.support.webhooks import Receiver, Request

pytestmark = pytest.mark.usefixtures("fresh_store")
FAILED = "failed to communicate with load balancing service"


class Octavia:
    """`pools` are {pool: pages of members}; a page that is text is sent as it is."""

    def __init__(self) -> None:
        self.pools: dict[str, list[Any]] = {}
        self.receiver = Receiver(self._answer)

    @property
    def url(self) -> str:
        return self.receiver.url("/load-balancer")

    def _answer(self, request: Request, _: int, connection: socket.socket) -> bytes:
        method, path, _ = request.line.split()
        parts, _, marker = path.partition("?marker=")
        name = parts.split("/")[-2]
        if method != "GET" or name not in self.pools:
            return _response(404, b'{"faultstring": "Pool not found"}')
        number = int(marker or 0)
        page = self.pools[name][number]
        if isinstance(page, str):
            return _response(200, page.encode())
        body: dict[str, Any] = {"members": page}
        if number + 1 < len(self.pools[name]):
            href = f"{self.url}/v2/lbaas/pools/{name}/members?marker={number + 1}"
            body["members_links"] = [{"rel": "next", "href": href}]
        return _response(200, json.dumps(body).encode())


def _response(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


@pytest.fixture
def octavia(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Octavia]:
    service = Octavia()
    settings.TELEMETRY_OCTAVIA_URL = service.url
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]
    monkeypatch.setattr(sending, "READ_S", 1.0)
    yield service
    service.receiver.close()


def member(name: str, status: str = "ERROR", age_s: int = 600, project: str = "p1") -> Any:
    created = (now() - timedelta(seconds=age_s)).replace(tzinfo=None).isoformat(timespec="seconds")
    return {
        "id": name, "name": name, "address": "10.0.0.1", "protocol_port": 80,
        "operating_status": status, "provisioning_status": "ACTIVE", "admin_state_up": True,
        "project_id": project, "created_at": created,
    }  # fmt: skip


def make(pool: str = "pool1", **fields: Any) -> Alarm:
    rule = {"pool_id": pool, "stack_id": "s", "autoscaling_group_id": "g"}
    checked = lifecycle.check(
        {"name": "health", "type": "loadbalancer_member_health", "rule": rule,
         "alarm_actions": ["log://"]} | fields
    )  # fmt: skip
    return lifecycle.create(checked, "p1", "u1")


def evaluated(alarm: Alarm) -> Alarm:
    Alarm.objects.update(evaluate_at=Now())
    evaluate_due()
    alarm.refresh_from_db()
    return alarm


def test_a_member_in_error_raises_the_alarm_and_its_recovery_ends_it(octavia: Octavia) -> None:
    bad = member("m2")
    octavia.pools["pool1"] = [[member("m1", "ONLINE"), bad]]
    alarm = evaluated(make())
    text = f"Transition to alarm due to 1 members unhealthy, most recent: {bad}"
    assert (alarm.state, alarm.state_reason) == ("alarm", text)
    assert alarm.state_reason_data["unhealthy_members"] == [bad]
    assert Notification.objects.get().current == "alarm"
    octavia.pools["pool1"] = [[member("m1", "ONLINE"), member("m2", "ONLINE")]]
    assert evaluated(alarm).state == "ok"
    assert octavia.receiver.requests[0].line.startswith(
        "GET /load-balancer/v2/lbaas/pools/pool1/members "
    )


def test_a_young_member_does_not_count_yet(octavia: Octavia) -> None:
    octavia.pools["pool1"] = [[member("m1", age_s=60)]]
    assert evaluated(make()).state == "ok"


def test_all_pages_are_read_and_a_pool_is_asked_for_once(octavia: Octavia) -> None:
    octavia.pools["pool1"] = [[member("m1", "ONLINE")], [member("m2")]]
    first, second = make(), make()
    evaluated(first)
    second.refresh_from_db()
    assert (first.state, second.state) == ("alarm", "alarm")
    assert len(octavia.receiver.requests) == 2


@pytest.mark.parametrize(
    "pages",
    [
        None,
        ["no json"],
        ["[]"],
        ['{"members": 5}'],
        ['{"members": [5]}'],
        ['{"members": [], "members_links": [{"rel": "next", "href": "http://127.0.0.1:1/x"}]}'],
        [[{"id": "m", "admin_state_up": True, "operating_status": "ERROR", "project_id": "p1"}]],
    ],
)
def test_an_answer_that_tells_nothing_is_no_data(octavia: Octavia, pages: Any) -> None:
    octavia.pools["pool1"] = [[member("m1", "ONLINE")]]
    alarm = evaluated(make())
    if pages is None:
        del octavia.pools["pool1"]
    else:
        octavia.pools["pool1"] = pages
    alarm = evaluated(alarm)
    assert (alarm.state, alarm.state_reason) == ("insufficient data", FAILED)
    assert alarm.evaluation_error == ""


def test_a_service_that_is_away_is_no_data_and_stops_no_other_alarm(
    octavia: Octavia, settings: Any
) -> None:
    octavia.pools["pool1"] = [[member("m1")]]
    settings.TELEMETRY_OCTAVIA_URL = f"http://127.0.0.1:{free_port()}"
    store(95.0)
    other = make_alarm()
    alarm = evaluated(make())
    other.refresh_from_db()
    assert other.state == "alarm"
    assert (alarm.state, alarm.state_reason) == ("insufficient data", FAILED)


def test_members_of_another_project_are_not_told(octavia: Octavia) -> None:
    octavia.pools["pool1"] = [[member("m1", project="p2")]]
    alarm = evaluated(make())
    assert (alarm.state, alarm.state_reason) == ("insufficient data", FAILED)
    assert not alarm.state_reason_data


def test_an_address_that_is_not_opened_is_not_asked(octavia: Octavia, settings: Any) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = []
    octavia.pools["pool1"] = [[member("m1")]]
    assert evaluated(make()).state_reason == FAILED
    assert octavia.receiver.requests == []


def test_a_pools_name_is_no_path(octavia: Octavia) -> None:
    octavia.pools["pool1"] = [[member("m1")]]
    assert evaluated(make("x/../pool1")).state_reason == FAILED
    assert "/pools/x%2F..%2Fpool1/members" in octavia.receiver.requests[0].line
