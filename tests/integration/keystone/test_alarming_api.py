"""The alarming API for people of a real Keystone: what their roles let them do, what others see."""

from __future__ import annotations

import pytest

from tests.api.alarming.people import AlarmingClient, body, fault_of
from tests.integration.keystone.asking import NO_PROJECT, away
from tests.keystone import KeystoneServer

pytestmark = [pytest.mark.keystone, pytest.mark.django_db]


class Caller(AlarmingClient):
    """Brings a token of Keystone's."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.sent["X-Auth-Token"] = token


@pytest.fixture
def callers(tokens: dict[str, str], door: KeystoneServer) -> dict[str, Caller]:
    return {name: Caller(token) for name, token in tokens.items()}


def test_a_member_makes_what_a_reader_sees_and_a_stranger_does_not(
    callers: dict[str, Caller], door: KeystoneServer
) -> None:
    made = callers["member"].make()
    assert made["project_id"] == door.find("projects", "p1")
    assert made["user_id"] == door.find("users", "member")
    path = f"/alarms/{made['alarm_id']}"
    assert callers["reader"].fetch(path) == made
    fault_of(callers["stranger"].ask("GET", path), 404)
    for method in ("PUT", "DELETE"):
        assert fault_of(callers["reader"].ask(method, path, body()), 403) == (
            "RBAC Authorization Failed"
        )
        fault_of(callers["stranger"].ask(method, path, body()), 404)
    assert callers["stranger"].fetch("/alarms") == callers["stranger"].query() == []


def test_an_administrator_of_a_project_is_the_clouds(callers: dict[str, Caller]) -> None:
    made = callers["member"].make()
    admin = callers["admin"]
    assert admin.fetch("/alarms") == []
    assert admin.query() == [made]
    everybody = "q.field=all_projects&q.op=eq&q.value=true"
    assert admin.fetch(f"/alarms?{everybody}") == [made]
    fault_of(callers["member"].ask("GET", f"/alarms?{everybody}"), 403)
    assert admin.ask("DELETE", f"/alarms/{made['alarm_id']}").status_code == 204


@pytest.mark.parametrize("name", ["service", *NO_PROJECT])
def test_who_has_no_part_in_a_project_is_refused(callers: dict[str, Caller], name: str) -> None:
    for method, path in (("GET", "/alarms"), ("POST", "/alarms"), ("POST", "/query/alarms")):
        fault_of(callers[name].ask(method, path, body()), 403)


def test_an_unknown_token_is_told_where_to_get_one(door: KeystoneServer, db: None) -> None:
    answer = Caller("gAAAAAnothing").ask("GET", "/alarms")
    fault_of(answer, 401)
    assert answer["WWW-Authenticate"] == f'Keystone uri="{door.url}"'


def test_without_keystone_nobody_gets_in_and_it_is_said(door: KeystoneServer, db: None) -> None:
    with away(door):
        text = fault_of(Caller("gAAAAAsomething").ask("GET", "/alarms"), 503)
    assert "Keystone gives no answer" in text
