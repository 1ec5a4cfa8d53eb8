"""Whose alarms are by aodh's API: owners, tenants, roles, quotas (alarms.md 1.4, 1.11, 1.12)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alarms.models import Alarm, AlarmQuota
from tests.api.alarming.people import AlarmingClient, body, fault_of


class TestOwners:
    def test_only_an_administrator_makes_alarms_for_others(
        self, member: AlarmingClient, admin: AlarmingClient
    ) -> None:
        answer = member.ask("POST", "/alarms", body(project_id="p9"))
        assert fault_of(answer, 401) == "Not Authorized to access project p9"
        answer = member.ask("POST", "/alarms", body(user_id="u9"))
        assert fault_of(answer, 401) == "Not Authorized to access user u9"
        assert member.make(project_id="p1", user_id="u1")["project_id"] == "p1"
        made = admin.make(project_id="p9", user_id="u9")
        assert (made["project_id"], made["user_id"]) == ("p9", "u9")
        assert admin.make()["project_id"] == "admin-p"

    def test_an_administrators_own_alarm_sees_everything_until_a_colleague_rewrites_it(
        self, admin: AlarmingClient, member: AlarmingClient
    ) -> None:
        own, others = admin.make(), admin.make(project_id="p1")
        member.make()
        assert list(Alarm.objects.filter(is_unscoped=True).values_list("pk", flat=True)) == [
            Alarm.objects.get(pk=own["alarm_id"]).pk
        ]
        admin.ask("PUT", f"/alarms/{others['alarm_id']}", body(name="b"))
        assert not Alarm.objects.get(pk=others["alarm_id"]).is_unscoped
        colleague = AlarmingClient("u9", "admin-p", "member")
        colleague.ask("PUT", f"/alarms/{own['alarm_id']}", own)
        assert not Alarm.objects.filter(is_unscoped=True).exists()

    def test_anothers_alarm_is_not_found_whatever_is_asked(
        self, member: AlarmingClient, stranger: AlarmingClient
    ) -> None:
        path = f"/alarms/{member.make()['alarm_id']}"
        for method, more in (
            ("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/state"), ("PUT", "/state"),
            ("GET", "/history"),
        ):  # fmt: skip
            assert fault_of(stranger.ask(method, path + more, body()), 404) == (
                "Alarm ID not found"
            )
        assert stranger.fetch("/alarms") == stranger.query() == stranger.query("/history") == []
        assert member.fetch(path)["name"] == "a"

    def test_a_reader_reads_and_changes_nothing(
        self, member: AlarmingClient, reader: AlarmingClient
    ) -> None:
        made = member.make()
        path = f"/alarms/{made['alarm_id']}"
        assert reader.fetch(path) == made
        assert reader.fetch("/alarms") == [made]
        for method, place in (
            ("POST", "/alarms"), ("PUT", path), ("DELETE", path), ("PUT", f"{path}/state"),
        ):  # fmt: skip
            assert fault_of(reader.ask(method, place, body()), 403) == "RBAC Authorization Failed"
        assert Alarm.objects.count() == 1

    def test_a_reader_does_not_see_where_messages_go(
        self, member: AlarmingClient, reader: AlarmingClient
    ) -> None:
        """A webhook's path is often its password, as everywhere in this house."""
        made = member.make(alarm_actions=["https://hook.example/secret"])
        path = f"/alarms/{made['alarm_id']}"
        assert reader.fetch(path)["alarm_actions"] == ["https://hook.example/…"]
        assert "secret" not in json.dumps(
            [reader.query(), reader.query("/history"), reader.fetch(f"{path}/history")]
        )
        for place, field in (("", "alarm_actions"), ("/history", "detail")):
            asked = {"filter": json.dumps({"=~": {field: "secret"}})}
            fault_of(reader.ask("POST", f"/query/alarms{place}", asked), 400)
            assert len(member.query(place, filter={"=~": {field: "secret"}})) == 1

    @pytest.mark.parametrize("roles", ["", "service", "creator"])
    def test_without_a_role_nothing_is_allowed(self, member: AlarmingClient, roles: str) -> None:
        made = member.make()
        client = AlarmingClient("u5", "p1", roles)
        for method, path in (
            ("GET", "/alarms"), ("GET", f"/alarms/{made['alarm_id']}"), ("POST", "/alarms"),
            ("POST", "/query/alarms"), ("POST", "/query/alarms/history"), ("GET", "/quotas"),
        ):  # fmt: skip
            fault_of(client.ask(method, path, body()), 403)

    def test_who_has_no_project_sees_none_of_the_installations(self, db: None) -> None:
        Alarm.objects.create(name="ours", type="event", rule={})
        client = AlarmingClient("u5", "", "member,service")
        for method, path in (("GET", "/alarms"), ("POST", "/query/alarms"), ("POST", "/alarms")):
            fault_of(client.ask(method, path, body()), 403)
        boss = AlarmingClient("boss", "", "admin")
        assert [one["name"] for one in boss.fetch("/alarms")] == ["ours"]

    def test_nobody_is_asked_who_he_is(self, nobody: AlarmingClient) -> None:
        answer = nobody.ask("GET", "/alarms")
        fault_of(answer, 401)
        assert "WWW-Authenticate" in answer


class TestQuota:
    def test_a_project_may_have_so_many(
        self, admin: AlarmingClient, member: AlarmingClient
    ) -> None:
        sent = {"project_id": "p1", "quotas": [{"resource": "alarms", "limit": 1}]}
        answer = admin.ask("POST", "/quotas", sent)
        assert (answer.status_code, answer.json()) == (201, sent)
        assert member.fetch("/quotas") == sent
        member.make()
        answer = member.ask("POST", "/alarms", body())
        assert fault_of(answer, 403) == "Alarm quota exceeded for user u1 on project p1"
        colleague = AlarmingClient("u9", "p1", "member")
        fault_of(colleague.ask("POST", "/alarms", body()), 403)

    def test_reading_sets_none(self, member: AlarmingClient, settings: Any) -> None:
        settings.TELEMETRY_ALARMS_PER_PROJECT = -1
        assert member.fetch("/quotas/") == {
            "project_id": "p1", "quotas": [{"resource": "alarms", "limit": -1}],
        }  # fmt: skip
        assert not AlarmQuota.objects.exists()
        member.make()
        member.make()

    def test_minus_one_is_no_limit(
        self, admin: AlarmingClient, member: AlarmingClient, settings: Any
    ) -> None:
        settings.TELEMETRY_ALARMS_PER_PROJECT = 0
        fault_of(member.ask("POST", "/alarms", body()), 403)
        quota = {"project_id": "p1", "quotas": [{"resource": "alarms", "limit": -1}]}
        admin.ask("POST", "/quotas", quota)
        member.make()
        assert admin.ask("DELETE", "/quotas/p1").status_code == 204
        assert admin.ask("DELETE", "/quotas/p1").status_code == 204
        fault_of(member.ask("POST", "/alarms", body()), 403)

    def test_a_user_may_have_so_many(self, member: AlarmingClient, settings: Any) -> None:
        settings.TELEMETRY_ALARMS_PER_USER = 1
        member.make()
        fault_of(member.ask("POST", "/alarms", body()), 403)
        AlarmingClient("u9", "p1", "member").make()

    def test_only_administrators_set_them(
        self, member: AlarmingClient, admin: AlarmingClient
    ) -> None:
        quota = {"project_id": "p1", "quotas": []}
        fault_of(member.ask("POST", "/quotas", quota), 403)
        fault_of(member.ask("DELETE", "/quotas/p1"), 403)
        answer = member.ask("GET", "/quotas?project_id=p2")
        assert fault_of(answer, 401) == "Not Authorized to access project p2"
        assert admin.fetch("/quotas?project_id=p2&x=y")["project_id"] == "p2"
        assert admin.ask("POST", "/quotas", {"project_id": "p1"}).status_code == 201

    @pytest.mark.parametrize(
        "sent",
        [
            {}, [], {"project_id": "p1", "x": 1}, {"project_id": 5}, {"project_id": "\0"},
            {"project_id": "p1", "quotas": {}}, {"project_id": "p1", "quotas": [5]},
            {"project_id": "p1", "quotas": [{"resource": "alarms", "limit": -2}]},
            {"project_id": "p1", "quotas": [{"resource": "alarms", "limit": "x"}]},
            {"project_id": "p1", "quotas": [{"resource": "alarms"}]},
            {"project_id": "p1", "quotas": [{"resource": "disks", "limit": 1}]},
            {"project_id": "p1", "quotas": [{"resource": "alarms", "limit": 1, "x": 1}]},
        ],
    )  # fmt: skip
    def test_another_shape_is_refused(self, admin: AlarmingClient, sent: Any) -> None:
        fault_of(admin.ask("POST", "/quotas", sent), 400)
        assert not AlarmQuota.objects.exists()
