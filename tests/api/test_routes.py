"""Routes by both doors."""

from __future__ import annotations

from typing import Any

import pytest

from alarms.models import Route
from tests.api.alarming.people import AlarmingClient, fault_of
from tests.api.people import Client, error_of
from tests.support.telling import make_receiver

pytestmark = pytest.mark.django_db
PATH = "/api/routes"
BODY = {
    "match": {"name": "web-*", "severity": "low"}, "group_by": ["severity", "metric"],
    "wait": 5, "interval": 60, "repeat_interval": 600, "position": 3,
    "actions": ["https://8.8.8.8/a-secret-path"],
}  # fmt: skip


def test_one_is_made_shown_replaced_and_deleted(member: Client, reader: Client) -> None:
    answer = member.post(PATH, BODY, format="json")
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert {name: made[name] for name in BODY} == BODY
    path = f"{PATH}/{made['id']}"
    assert reader.fetch(path)["actions"] == ["https://8.8.8.8/…"]
    make_receiver()
    put = member.put(path, {"actions": ["receiver://ops"]}, format="json").json()
    assert (put["wait"], put["interval"], put["repeat_interval"]) == (30, 300, 14_400)
    assert (put["match"], put["group_by"], put["position"]) == ({}, [], 0)
    assert member.delete(path).status_code == 204
    error_of(member.get(path), 404)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"match": {"colour": "x"}}, "match.colour"),
        ({"match": {"severity": "grave"}}, "match.severity"),
        ({"match": {"name": ""}}, "match.name"),
        ({"match": {"project": "p2"}}, "match.project"),
        ({"match": 1}, "match"),
        ({"group_by": ["name"]}, "group_by[0]"),
        ({"group_by": "metric"}, "group_by"),
        ({"wait": -1}, "wait"),
        ({"interval": 0}, "interval"),
        ({"repeat_interval": "x"}, "repeat_interval"),
        ({"position": True}, "position"),
        ({"actions": []}, "actions"),
        ({"actions": ["route://"]}, "actions[0]"),
        ({"actions": [5]}, "actions[0]"),
        ({"actions": ["receiver://none"]}, "actions[0]"),
        ({"actions": ["http://127.0.0.1/"]}, "actions[0]"),
        ({"continue": True}, "continue"),
    ],
)
def test_what_is_wrong_is_named(member: Client, fields: dict[str, Any], field: str) -> None:
    answer = member.post(PATH, BODY | fields, format="json")
    assert error_of(answer, 400)["errors"][0]["field"] == field


def test_by_the_alarming_api(settings: Any) -> None:
    settings.TELEMETRY_NOAUTH = True
    member = AlarmingClient("u1", "p1", "member")
    answer = member.ask("POST", "/routes", BODY)
    assert answer.status_code == 201
    made = answer.json()
    path = f"/routes/{made['id']}"
    assert answer["Location"].endswith(f"/v2{path}")
    assert member.fetch(path) == made
    assert [one["id"] for one in member.fetch("/routes")] == [made["id"]]
    reader = AlarmingClient("u3", "p1", "reader")
    assert reader.fetch(path)["actions"] == ["https://8.8.8.8/…"]
    stranger = AlarmingClient("u2", "p3", "member")
    assert stranger.fetch("/routes") == []
    second = member.ask("POST", "/routes", BODY | {"position": -1}).json()["id"]
    assert [one["id"] for one in member.fetch("/routes?limit=1")] == [second]
    assert [one["id"] for one in member.fetch(f"/routes?marker={second}")] == [made["id"]]
    assert member.ask("DELETE", f"/routes/{second}").status_code == 204
    for ident in (made["id"], "x"):
        for method in ("GET", "PUT", "DELETE"):
            fault_of(stranger.ask(method, f"/routes/{ident}", BODY), 404)
    for method, where in (("POST", "/routes"), ("PUT", path), ("DELETE", path)):
        fault_of(reader.ask(method, where, BODY), 403)
    assert "wait: must be" in fault_of(member.ask("PUT", path, BODY | {"wait": "x"}), 400)
    assert member.ask("PUT", path, BODY | {"wait": 6}).json()["wait"] == 6
    assert member.ask("DELETE", path).status_code == 204
    assert not Route.objects.exists()
