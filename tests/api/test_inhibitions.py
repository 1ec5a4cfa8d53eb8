"""Inhibitions by both doors."""

from __future__ import annotations

from typing import Any

import pytest

from alarms.models import Inhibition
from tests.api.alarming.people import AlarmingClient, fault_of
from tests.api.people import Client, error_of
from tests.api.world import World
from tests.support.muting import matcher

pytestmark = pytest.mark.django_db
BODY = {"source": [matcher("name", "a")], "target": [matcher("name", "b")], "equal": ["metric"]}


def test_one_is_made_shown_and_deleted(member: Client) -> None:
    made = member.post("/api/inhibitions", BODY, format="json").json()
    assert {name: made[name] for name in BODY} == BODY
    path = f"/api/inhibitions/{made['id']}"
    assert member.fetch(path) == made
    assert member.delete(path).status_code == 204
    error_of(member.get(path), 404)


def test_one_is_replaced(member: Client) -> None:
    made = member.post("/api/inhibitions", BODY | {"comment": "old"}, format="json").json()
    path = f"/api/inhibitions/{made['id']}"
    fields = {"source": [matcher("name", "c")], "target": [matcher("severity", "low")]}
    changed = member.put(path, fields, format="json").json()
    assert changed == made | fields | {"equal": [], "comment": ""} == member.fetch(path)
    answer = member.put(path, {"source": fields["source"]}, format="json")
    assert error_of(answer, 400)["errors"][0]["field"] == "target"
    assert member.fetch(path) == changed


def test_what_is_wrong_is_named(member: Client) -> None:
    answer = member.post("/api/inhibitions", BODY | {"equal": ["x"]}, format="json")
    assert error_of(answer, 400)["errors"][0]["field"] == "equal[0]"


def test_by_the_alarming_api(settings: Any, world: World) -> None:
    settings.TELEMETRY_NOAUTH = True
    member = AlarmingClient("u1", "p1", "member")
    answer = member.ask("POST", "/inhibitions", BODY)
    assert answer.status_code == 201
    made = answer.json()
    assert member.fetch(f"/inhibitions/{made['id']}") == made
    assert member.fetch("/inhibitions")[0]["id"] == made["id"]
    second = member.ask("POST", "/inhibitions", BODY).json()["id"]
    assert [one["id"] for one in member.fetch("/inhibitions?limit=1")] == [second]
    assert member.fetch(f"/inhibitions?limit=1&marker={second}")[0]["id"] == made["id"]
    assert member.ask("DELETE", f"/inhibitions/{second}").status_code == 204
    stranger = AlarmingClient("u2", "p3", "member")
    assert stranger.fetch("/inhibitions") == []
    for ident in (made["id"], "x"):
        fault_of(stranger.ask("DELETE", f"/inhibitions/{ident}"), 404)
        fault_of(stranger.ask("GET", f"/inhibitions/{ident}"), 404)
    reader = AlarmingClient("u3", "p1", "reader")
    fault_of(reader.ask("POST", "/inhibitions", BODY), 403)
    fault_of(reader.ask("DELETE", f"/inhibitions/{made['id']}"), 403)
    assert "source: must be a list" in fault_of(member.ask("POST", "/inhibitions", {}), 400)
    path = f"/inhibitions/{made['id']}"
    changed = member.ask("PUT", path, BODY | {"equal": []})
    assert (changed.status_code, changed.json()) == (200, made | {"equal": []})
    assert "source: must be a list" in fault_of(member.ask("PUT", path, {}), 400)
    fault_of(stranger.ask("PUT", path, BODY), 404)
    fault_of(reader.ask("PUT", path, BODY), 403)
    assert member.ask("DELETE", f"/inhibitions/{made['id']}").status_code == 204
    assert Inhibition.objects.filter(project_id="p1").count() == 1
