"""The doors themselves: versions, capabilities, forms of errors, alarms under the same prefix."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.api.alarming.people import AlarmingClient, body, fault_of
from tests.api.metering.people import ClassicClient, EventClient
from tests.support.doors import DoorClient


@pytest.mark.parametrize("door", ["metering", "event"])
def test_the_version_is_told_to_everybody(client: Client, door: str) -> None:
    for path in (f"/{door}", f"/{door}/"):
        (version,) = client.get(path).json()["versions"]["values"]
        assert (version["id"], version["status"]) == ("v2", "stable")
        assert version["links"][0] == {"href": f"http://testserver/{door}/v2", "rel": "self"}


@pytest.mark.parametrize("path", ["/metering/v2", "/metering/v2/", "/event/v2", "/event/v2/none"])
def test_there_is_nothing_there(client: Client, path: str) -> None:
    fault_of(client.get(path), 404)


def test_what_they_can_do(client: Client) -> None:
    whole = client.get("/metering/v2/capabilities").json()
    assert set(whole) == {"api", "storage", "event_storage", "alarm_storage"}
    assert len(whole["api"]) == 23
    assert all(whole["api"].values())
    events = client.get("/event/v2/capabilities/").json()
    assert events == {
        "api": {"events:query:simple": True}, "event_storage": {"storage:production_ready": True},
    }  # fmt: skip


@pytest.mark.parametrize("client", [ClassicClient, EventClient])
def test_nobody_is_challenged(client: type[DoorClient]) -> None:
    answer = client().ask("GET", "/events")
    fault_of(answer, 401)
    assert answer["WWW-Authenticate"]


EVERYTHING = [
    "/meters", "/meters/cpu", "/meters/cpu/statistics", "/samples", "/samples/x", "/resources",
    "/resources/x", "/query/samples",
]  # fmt: skip


def test_who_acts_for_no_project_gets_nothing() -> None:
    for path in EVERYTHING:
        for roles in ("member", "service"):
            client = ClassicClient("u1", "", roles)
            answer = client.ask("POST" if path.startswith("/query") else "GET", path, {})
            fault_of(answer, 403)


METHODS = [
        ("PUT", "/meters", "GET"), ("HEAD", "/samples", "GET"), ("PATCH", "/events", "GET"),
        ("DELETE", "/meters/x", "GET, POST"), ("GET", "/query/samples", "POST"),
        ("POST", "/resources/x", "GET"),
    ]  # fmt: skip


def test_methods(member: ClassicClient) -> None:
    for method, path, allowed in METHODS:
        answer = member.ask(method, path)
        assert answer.status_code == 405
        assert answer["Allow"] == allowed


ACCEPTED = [
    ("*/*", 200),
    ("", 200),
    ("text/plain, application/json; q=0.8", 200),
    ("text/plain", 406),
]


def test_only_json_is_spoken(member: ClassicClient) -> None:
    for accept, status in ACCEPTED:
        answer = member.ask("GET", "/samples", Accept=accept)
        assert answer.status_code == status
        assert answer["Content-Type"] == "application/json"


def test_a_slash_at_the_end_says_nothing(member: ClassicClient) -> None:
    for path in ("/meters/", "/samples/", "/resources/", "/events/"):
        assert member.fetch(path) == []


def test_another_sites_page_may_ask_where_it_is_let(client: Client, settings: Any) -> None:
    settings.TELEMETRY_CORS_ORIGINS = ["http://valid.example.com"]
    for door in ("metering", "event"):
        asked = {"Origin": "http://valid.example.com", "Access-Control-Request-Method": "GET"}
        answer = client.options(f"/{door}/v2/events", headers=asked)
        assert answer["Access-Control-Allow-Origin"] == "http://valid.example.com"
        answer = client.get(f"/{door}/v2/capabilities", headers=asked)
        assert "X-Truncated" in answer["Access-Control-Expose-Headers"]


def test_alarms_are_behind_the_same_prefix() -> None:
    classic, alarming = ClassicClient("u1", "p1", "member"), AlarmingClient("u1", "p1", "member")
    made = classic.ask("POST", "/alarms", body())
    assert made.status_code == 201
    ident = made.json()["alarm_id"]
    for path in ("/alarms", f"/alarms/{ident}", f"/alarms/{ident}/history"):
        assert classic.fetch(path) == alarming.fetch(path)
    assert classic.ask("PUT", f"/alarms/{ident}/state", "ok").json() == "ok"
    for path in ("/query/alarms", "/query/alarms/history"):
        assert classic.ask("POST", path, {"limit": 1}).json()
    stranger = ClassicClient("u2", "p2", "member")
    fault_of(stranger.ask("GET", f"/alarms/{ident}"), 404)
    assert stranger.fetch("/alarms") == []
    assert classic.ask("DELETE", f"/alarms/{ident}").status_code == 204
