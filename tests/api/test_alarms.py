"""Alarms by the native door: made, read, changed, deleted, set, tested, tried over the past."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from alarms import lifecycle
from alarms.choices import Type
from alarms.errors import ChangedError, QuotaError
from alarms.models import Alarm, AlarmHistory, Notification
from alarms.preview import NOTE
from telemetry_site import clock
from telemetry_site.settings.allowances import parse_allowance
from tests.api.people import Client, error_of
from tests.api.world import HOOK, SECRET, World
from tests.support.alarms import group, make_alarm, threshold

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]
LOCAL = "http://127.0.0.1:9000/hook"
MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.TELEMETRY_WEBHOOK_ALLOW = [parse_allowance("127.0.0.0/8")]


def definition(**fields: Any) -> dict[str, Any]:
    return {"name": "n", "type": Type.RESOURCE_THRESHOLD, "rule": threshold()} | fields


def send(client: Client, method: str, path: str, body: Any, status: int = 200) -> Any:
    answer = getattr(client, method)(path, body, format="json")
    assert answer.status_code == status, (answer.status_code, answer.content[:500])
    return answer.json() if answer.content else None


def refused(client: Client, method: str, path: str, body: Any, status: int = 400) -> Any:
    return error_of(getattr(client, method)(path, body, format="json"), status)


def address(alarm: Alarm, rest: str = "") -> str:
    return f"/api/alarms/{alarm.pk}{rest}"


def test_an_alarm_is_made_with_every_default_and_its_rule_in_words(member: Client) -> None:
    rule = {"metric": "cpu", "resource_id": "vm-1", "aggregation_method": "mean", "threshold": 80}
    answer = member.post("/api/alarms", definition(rule=rule), format="json")
    assert answer.status_code == 201
    made = answer.json()
    assert made["rule"] == rule | {
        "threshold": 80.0, "comparison_operator": "eq", "evaluation_periods": 1,
        "granularity": 60, "resource_type": "generic",
    }  # fmt: skip
    assert made["rule_in_words"] == (
        "mean of cpu of resource vm-1 equal to 80 for 1 period of 60 s"
    )
    assert (made["state"], made["state_reason"]) == ("insufficient data", "Not evaluated yet")
    assert (made["enabled"], made["severity"], made["repeat_actions"]) == (True, "low", False)
    assert (made["project_id"], made["alarm_actions"]) == ("p1", [])
    assert answer["Location"] == f"http://testserver/api/alarms/{made['id']}"
    assert member.fetch(answer["Location"]) == made


def test_who_makes_it_stands_in_alarm_and_history(member: Client, people: Any) -> None:
    made = send(member, "post", "/api/alarms", definition(), 201)
    [row] = member.fetch(f"/api/alarms/{made['id']}/history")["results"]
    assert made["user_id"] == row["user_id"] == str(people["member"].pk)
    assert (row["type"], row["detail"]["rule"]) == ("creation", made["rule"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "\u200b"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"type": "nosuch"}, "type"),
        ({"enabled": "yes"}, "enabled"),
        ({"severity": "high"}, "severity"),
        ({"description": "x" * 4097}, "description"),
        ({"rule": []}, "rule"),
        ({"rule": threshold(threshold="80")}, "rule.threshold"),
        ({"rule": threshold(threshold=None)}, "rule.threshold"),
        ({"rule": threshold(threshold=10**400)}, "rule.threshold"),
        ({"rule": threshold(granularity=0)}, "rule.granularity"),
        ({"rule": threshold(evaluation_periods=101)}, "rule.evaluation_periods"),
        ({"rule": threshold(evaluation_periods=2.5)}, "rule.evaluation_periods"),
        ({"rule": threshold(aggregation_method="avg")}, "rule.aggregation_method"),
        ({"rule": threshold(comparison_operator=">")}, "rule.comparison_operator"),
        ({"rule": threshold(nosuch=1)}, "rule.nosuch"),
        ({"rule": {}}, "rule.metric"),
        ({"rule": group()}, "rule.query"),
        ({"type": Type.GROUP_THRESHOLD, "rule": group("{")}, "rule.query"),
        ({"alarm_actions": "log:"}, "alarm_actions"),
        ({"alarm_actions": [LOCAL, 5]}, "alarm_actions[1]"),
        ({"alarm_actions": [LOCAL, "ftp://x"]}, "alarm_actions[1]"),
        ({"ok_actions": ["http://[::1"]}, "ok_actions[0]"),
        ({"ok_actions": [f"{LOCAL}/{n}" for n in range(101)]}, "ok_actions"),
        ({"insufficient_data_actions": ["http://10.0.0.1/"]}, "insufficient_data_actions[0]"),
        ({"project_id": 5}, "project_id"),
        ({"state": "ok"}, "state"),
        ({"id": MISSING}, "id"),
        ({"user_id": "x"}, "user_id"),
        ({"definition_version": 7}, "definition_version"),
    ],
)
def test_a_bad_field_is_refused_by_its_path(
    admin: Client, change: dict[str, Any], field: str
) -> None:
    found = refused(admin, "post", "/api/alarms", definition(**change))
    assert [row["field"] for row in found["errors"]] == [field]
    assert not Alarm.objects.exists()


@pytest.mark.parametrize("missing", ["name", "type", "rule"])
def test_a_field_that_is_needed_is_asked_for(member: Client, missing: str) -> None:
    body = definition()
    del body[missing]
    found = refused(member, "post", "/api/alarms", body)
    assert found["errors"] == [{"field": missing, "detail": "is required"}]


class TestProject:
    def test_an_administrators_alarm_is_the_installations(self, admin: Client) -> None:
        assert send(admin, "post", "/api/alarms", definition(), 201)["project_id"] is None

    def test_an_administrator_may_name_any(self, admin: Client) -> None:
        body = definition(project_id="p9")
        assert send(admin, "post", "/api/alarms", body, 201)["project_id"] == "p9"

    def test_a_member_of_two_names_one(self, as_: ClientOf) -> None:
        both = as_("both")
        found = refused(both, "post", "/api/alarms", definition())
        assert found["errors"][0]["field"] == "project_id"
        body = definition(project_id="p2")
        assert send(both, "post", "/api/alarms", body, 201)["project_id"] == "p2"

    def test_it_cannot_be_changed(self, admin: Client, world: World) -> None:
        found = refused(admin, "patch", address(world.alarm), {"project_id": "p2"})
        assert found["errors"][0]["field"] == "project_id"

    def test_an_unowned_alarm_is_for_administrators(self, admin: Client, member: Client) -> None:
        alarm = make_alarm(project_id=None)
        admin.fetch(address(alarm))
        member.refused(address(alarm), 404)
        refused(member, "delete", address(alarm), None, 404)


class TestQuota:
    @override_settings(TELEMETRY_ALARMS_PER_PROJECT=2)
    def test_beyond_it_a_project_gets_no_more(self, member: Client, stranger: Client) -> None:
        for name in ("a", "b"):
            send(member, "post", "/api/alarms", definition(name=name), 201)
        found = refused(member, "post", "/api/alarms", definition(name="c"), 403)
        assert found["code"] == "quota_exceeded"
        assert "2 alarms" in found["detail"]
        send(stranger, "post", "/api/alarms", definition(), 201)
        send(member, "delete", f"/api/alarms/{Alarm.objects.get(name='a').pk}", None, 204)
        send(member, "post", "/api/alarms", definition(name="c"), 201)

    @override_settings(TELEMETRY_ALARMS_PER_PROJECT=0)
    def test_it_does_not_count_the_installations_own(self, admin: Client) -> None:
        send(admin, "post", "/api/alarms", definition(), 201)

    @override_settings(TELEMETRY_ALARMS_PER_PROJECT=-1)
    def test_minus_one_is_any_number(self, member: Client) -> None:
        send(member, "post", "/api/alarms", definition(), 201)


class TestChange:
    def test_put_replaces_the_definition_and_what_is_absent_gets_its_default(
        self, member: Client, world: World
    ) -> None:
        changed = send(member, "put", address(world.alarm), definition(name="new"))
        assert (changed["name"], changed["severity"]) == ("new", "low")
        assert (changed["alarm_actions"], changed["ok_actions"]) == ([], [])
        assert (changed["state"], changed["project_id"]) == ("alarm", "p1")
        assert changed["definition_version"] == 2

    def test_what_was_read_can_be_put_back_and_changes_nothing(self, member: Client) -> None:
        body = definition(alarm_actions=[LOCAL], description="d", severity="moderate")
        made = send(member, "post", "/api/alarms", body, 201)
        path = f"/api/alarms/{made['id']}"
        names = {*lifecycle.FIELDS, "definition_version"}
        again = {name: value for name, value in made.items() if name in names}
        assert send(member, "put", path, again) == made
        assert [row["type"] for row in member.fetch(f"{path}/history")["results"]] == ["creation"]

    def test_patch_changes_what_is_given_and_nothing_else(
        self, member: Client, world: World
    ) -> None:
        before = member.fetch(address(world.alarm))
        after = send(member, "patch", address(world.alarm), {"enabled": False})
        assert after["definition_version"] == before["definition_version"] + 1
        same = before.keys() - {"enabled", "definition_version", "updated_at", "evaluate_at"}
        assert {name: after[name] for name in same} == {name: before[name] for name in same}
        [row] = member.fetch(address(world.alarm, "/history"), type="rule change")["results"]
        assert row["detail"] == {"enabled": False}

    def test_patch_keeps_actions_that_could_not_be_written_now(
        self, member: Client, world: World
    ) -> None:
        found = refused(member, "patch", address(world.alarm), {"alarm_actions": ["gopher://x"]})
        assert found["errors"][0]["field"] == "alarm_actions[0]"
        assert send(member, "patch", address(world.alarm), {"name": "x"})["alarm_actions"] == [HOOK]

    def test_patch_of_the_type_needs_a_rule_of_that_type(
        self, member: Client, world: World
    ) -> None:
        body: dict[str, Any] = {"type": Type.GROUP_THRESHOLD}
        refused(member, "patch", address(world.alarm), body)
        body["rule"] = group('{"=": {"display_name": "web"}}')
        changed = send(member, "patch", address(world.alarm), body)
        assert changed["rule_in_words"].startswith("mean of cpu of all resources with {")

    @pytest.mark.parametrize("body", [[], "x", 5, True])
    @pytest.mark.parametrize("method", ["put", "patch"])
    def test_what_is_no_object_is_refused(
        self, member: Client, world: World, method: str, body: Any
    ) -> None:
        refused(member, method, address(world.alarm), body)

    @pytest.mark.parametrize("method", ["put", "patch"])
    def test_what_somebody_else_changed_meanwhile_is_not_overwritten(
        self, member: Client, world: World, method: str
    ) -> None:
        path = address(world.alarm)
        seen = member.fetch(path)["definition_version"]
        send(member, "patch", path, {"name": "theirs"})
        body = definition(name="mine", definition_version=seen)
        found = refused(member, method, path, body, 409)
        assert found["code"] == "conflict"
        assert f"its definition_version is {seen + 1}, not {seen}" in found["detail"]
        assert member.fetch(path)["name"] == "theirs"
        send(member, method, path, body | {"definition_version": seen + 1})

    @pytest.mark.parametrize("version", [0, -1, 10**300])
    def test_a_version_that_never_was_is_another(
        self, member: Client, world: World, version: int
    ) -> None:
        body = {"name": "x", "definition_version": version}
        refused(member, "patch", address(world.alarm), body, 409)

    @pytest.mark.parametrize("version", ["1", 1.5, True, []])
    def test_a_version_is_a_number(self, member: Client, world: World, version: Any) -> None:
        body = {"name": "x", "definition_version": version}
        found = refused(member, "patch", address(world.alarm), body)
        assert found["errors"][0]["field"] == "definition_version"


def test_a_deleted_alarm_is_gone_and_what_waits_for_it_is_cancelled(
    member: Client, world: World
) -> None:
    alarm = world.alarm
    send(member, "delete", address(alarm), None, 204)
    member.refused(address(alarm), 404)
    refused(member, "delete", address(alarm), None, 404)
    assert Notification.objects.get(alarm_id=alarm.pk).status == "cancelled"


class TestState:
    def test_it_is_set_by_hand_with_a_reason_and_nothing_is_sent(
        self, member: Client, world: World
    ) -> None:
        path = address(world.alarm, "/state")
        before = Notification.objects.count()
        found = send(member, "put", path, {"state": "ok", "reason": "fixed the fan"})
        assert (found["state"], found["reason"]) == ("ok", "fixed the fan")
        assert member.fetch(path) == found
        [row] = member.fetch(address(world.alarm, "/history"), to_state="ok")["results"]
        assert (row["from_state"], row["to_state"], row["state_version"]) == ("alarm", "ok", 2)
        assert Notification.objects.count() == before

    def test_without_a_reason_it_says_by_hand(self, member: Client, world: World) -> None:
        found = send(member, "put", address(world.alarm, "/state"), {"state": "ok"})
        assert found["reason"] == "Manually set via API"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "state"),
            ({"state": "OK"}, "state"),
            ({"state": []}, "state"),
            ({"state": "ok", "reason": "x" * 1025}, "reason"),
            ({"state": "ok", "reason": "\0"}, "reason"),
            ({"state": "ok", "nosuch": 1}, "nosuch"),
            ("ok", ""),
        ],
    )
    def test_a_bad_one_is_refused(
        self, member: Client, world: World, body: Any, field: str
    ) -> None:
        found = refused(member, "put", address(world.alarm, "/state"), body)
        assert found["errors"][0]["field"] == field


class TestTest:
    def test_each_action_of_the_state_gets_a_message_and_the_state_stays(
        self, member: Client
    ) -> None:
        alarm = make_alarm(alarm_actions=[LOCAL, f"{LOCAL}/2"], ok_actions=["log:"])
        made = send(member, "post", address(alarm, "/test"), None, 202)["notifications"]
        assert [row["destination"] for row in made] == ["http://127.0.0.1:9000"] * 2
        assert {(row["is_test"], row["status"], row["current"]) for row in made} == {
            (True, "pending", "alarm")
        }
        made = send(member, "post", address(alarm, "/test"), {"state": "ok"}, 202)["notifications"]
        assert [row["url"] for row in made] == ["log://"]
        assert member.fetch(address(alarm))["state"] == "insufficient data"

    def test_where_there_is_no_action_it_says_so(self, member: Client) -> None:
        found = refused(member, "post", address(make_alarm(), "/test"), {"state": "ok"}, 409)
        assert found["detail"] == "The alarm has no ok_actions: nothing to send."

    def test_an_unknown_state_is_refused(self, member: Client, world: World) -> None:
        refused(member, "post", address(world.alarm, "/test"), {"state": "bad"})

    def test_ten_a_minute_are_enough_for_a_project(
        self, member: Client, stranger: Client, admin: Client, world: World
    ) -> None:
        for _ in range(10):
            send(member, "post", address(world.alarm, "/test"), {}, 202)
        answer = member.post(address(world.alarm, "/test"), {}, format="json")
        error_of(answer, 429)
        assert 1 <= int(answer["Retry-After"]) <= 6
        send(stranger, "post", address(world.foreign_alarm, "/test"), {}, 202)
        send(admin, "post", address(world.alarm, "/test"), {}, 202)


class TestSecrets:
    """An action's URL is whole for whoever may edit the alarm, and for nobody else."""

    PLACES = ("", "/history", "/notifications")

    @pytest.mark.parametrize("who", ["member", "admin"])
    def test_who_may_edit_sees_it_whole(self, as_: ClientOf, world: World, who: str) -> None:
        client = as_(who)
        assert client.fetch(address(world.alarm))["alarm_actions"] == [HOOK]
        [creation] = client.fetch(address(world.alarm, "/history"), type="creation")["results"]
        assert creation["detail"]["alarm_actions"] == [HOOK]

    @pytest.mark.parametrize("scopes", [(), ("read",), ("read", "ingest")])
    @pytest.mark.parametrize("who", ["reader", "member", "admin"])
    def test_who_may_not_sees_only_where_it_goes(
        self, as_: ClientOf, world: World, who: str, scopes: tuple[str, ...]
    ) -> None:
        if who != "reader" and not scopes:
            return
        client = as_(who, *scopes)
        paths = [address(world.alarm, rest) for rest in self.PLACES]
        for path in [*paths, "/api/alarms", "/api/alarm-history", "/api/notifications"]:
            assert SECRET not in client.get(path).content.decode(), path
        shown = client.fetch(address(world.alarm))["alarm_actions"]
        assert shown == ["http://receiver.example:8080/…"]

    def test_in_notifications_it_is_never_whole(self, admin: Client, world: World) -> None:
        for path in ("/api/notifications", f"/api/notifications/{world.notification.pk}"):
            assert SECRET not in admin.get(path).content.decode()


class TestDryRun:
    path = "/api/alarms/dry-run"

    def tried(self, client: Client, **fields: Any) -> Any:
        rule = threshold(threshold=4.5)
        alarm = {"type": Type.RESOURCE_THRESHOLD, "rule": rule} | fields
        start = (clock.now() - timedelta(minutes=15)).isoformat()
        return send(client, "post", self.path, {"alarm": alarm, "start": start})

    def test_it_tells_each_evaluation_and_counts(self, reader: Client, world: World) -> None:
        """The world's cpu falls from 9 to 0, one a minute."""
        found = self.tried(reader)
        assert found["fired"] == 1
        assert found["note"] == NOTE
        assert 13 <= len(found["steps"]) <= 15
        last = found["steps"][-1]
        assert (last["state"], last["phase"]) == ("ok", "normal")
        assert last["values"] in ([[0.0]], [[1.0]])
        assert self.tried(reader, policy={"for": 3600})["fired"] == 0
        assert not Alarm.objects.filter(name="dry run").exists()

    def test_a_policy_of_no_use_is_refused_with_its_place(self, reader: Client) -> None:
        alarm = {"type": Type.RESOURCE_THRESHOLD, "rule": threshold(), "policy": {"for": -1}}
        error = refused(reader, "post", self.path, {"alarm": alarm})
        assert "policy.for" in str(error)


class TestPreview:
    path = "/api/alarms/preview"

    def looked(self, client: Client, **fields: Any) -> Any:
        body = {"type": Type.RESOURCE_THRESHOLD, "rule": threshold(threshold=4.5)} | fields
        return send(client, "post", self.path, body)

    def test_it_tells_points_and_changes_of_the_past_and_what_is_now(
        self, reader: Client, world: World
    ) -> None:
        """The world's cpu falls from 9 to 0, one a minute."""
        found = self.looked(reader)
        assert [point["value"] for point in found["points"]] == [float(9 - n) for n in range(10)]
        assert [row["state"] for row in found["transitions"]] == [
            "insufficient data", "alarm", "ok",
        ]  # fmt: skip
        assert (found["current"], found["series"], found["problem"]) == ("ok", 1, "")
        assert "0.0" in found["reason"]
        assert found["rule_in_words"].startswith("mean of cpu of resource vm-1 above 4.5 ")

    def test_a_rule_without_a_series_of_its_own_has_changes_but_no_points(
        self, reader: Client, world: World
    ) -> None:
        part = threshold(threshold=4.5) | {"type": Type.RESOURCE_THRESHOLD}
        found = self.looked(reader, type=Type.COMPOSITE, rule={"or": [part, part]})
        assert [row["state"] for row in found["transitions"]] == [
            "insufficient data", "alarm", "ok",
        ]  # fmt: skip
        assert (found["points"], found["series"], found["current"]) == ([], 1, "ok")
        body = {"type": Type.EVENT, "rule": {"event_type": "x"}}
        assert "can't be tried out" in str(refused(reader, "post", self.path, body))

    def test_it_looks_at_the_range_that_is_asked_for(self, reader: Client, world: World) -> None:
        start = clock.from_us(world.now_us) - timedelta(minutes=3)
        stop = start + timedelta(minutes=2)
        found = self.looked(reader, start=start.isoformat(), stop=stop.isoformat())
        assert [point["value"] for point in found["points"]] == [3.0, 2.0]

    def test_anothers_samples_are_not_seen(
        self, reader: Client, stranger: Client, admin: Client, world: World
    ) -> None:
        assert self.looked(stranger)["points"][0]["value"] == 55.0
        group_rule = {"type": Type.GROUP_THRESHOLD, "rule": group()}
        assert self.looked(reader, **group_rule)["series"] == 2
        assert self.looked(admin, **group_rule)["series"] == 4
        assert self.looked(admin, **group_rule, project_id="p1")["series"] == 2
        body = {"type": Type.RESOURCE_THRESHOLD, "rule": threshold(), "project_id": "p1"}
        refused(stranger, "post", self.path, body, 403)

    def test_a_member_of_two_projects_says_whose_eyes(self, as_: ClientOf, world: World) -> None:
        body = {"type": Type.RESOURCE_THRESHOLD, "rule": threshold()}
        found = refused(as_("both"), "post", self.path, body)
        assert found["errors"][0]["field"] == "project_id"
        assert self.looked(as_("both"), project_id="p2")["series"] == 1

    def test_a_rule_that_finds_nothing_says_why(self, reader: Client, world: World) -> None:
        found = self.looked(reader, rule=threshold("nosuch"))
        assert (found["series"], found["points"]) == (0, [])
        assert found["problem"] == found["reason"] == "resource nosuch does not exists"

    def test_values_beyond_a_double_are_left_out(self, member: Client, world: World) -> None:
        minute = clock.from_us(world.now_us)
        samples = [
            {
                "resource_id": "big", "meter": "cpu", "value": 1.7e308,
                "timestamp": (minute + timedelta(seconds=place)).isoformat(),
            }
            for place in range(2)
        ]  # fmt: skip
        send(member, "post", "/api/samples", samples, 201)
        found = self.looked(member, rule=threshold("big", aggregation_method="sum"))
        assert found["points"] == []

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"type": "nosuch"}, "type"),
            ({"rule": "x"}, "rule"),
            ({"rule": threshold(threshold="x")}, "rule.threshold"),
            ({"start": "yesterday"}, "start"),
            ({"start": 5}, "start"),
            ({"start": "2026-01-01", "stop": "2026-01-01"}, "start"),
            ({"start": "2020-01-01"}, "start"),
            ({"stop": "1969-01-01"}, "stop"),
            ({"nosuch": 1}, "nosuch"),
        ],
    )
    def test_what_cannot_be_looked_at_is_refused_by_name(
        self, reader: Client, world: World, change: dict[str, Any], field: str
    ) -> None:
        body = {"type": Type.RESOURCE_THRESHOLD, "rule": threshold()} | change
        assert refused(reader, "post", self.path, body)["errors"][0]["field"] == field

    def test_a_fine_rule_is_looked_at_over_as_long_as_is_allowed(
        self, reader: Client, world: World
    ) -> None:
        found = self.looked(reader, rule=threshold(granularity=1))
        assert found["start"] > (clock.now() - timedelta(hours=24)).isoformat()

    def test_more_samples_than_memory_takes_are_refused(
        self, reader: Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("alarms.preview.MAX_SAMPLES", 2 * 8640)
        body = {"type": Type.GROUP_THRESHOLD, "rule": group()}
        found = refused(reader, "post", self.path, body)
        assert "2 metrics" in found["detail"]

    def test_nothing_is_stored(self, reader: Client, world: World) -> None:
        before = (Alarm.objects.count(), AlarmHistory.objects.count(), Notification.objects.count())
        self.looked(reader)
        assert before == (
            Alarm.objects.count(), AlarmHistory.objects.count(), Notification.objects.count(),
        )  # fmt: skip


def test_a_rule_that_nobody_could_evaluate_is_still_shown(admin: Client, world: World) -> None:
    Alarm.objects.filter(pk=world.alarm.pk).update(rule={"metric": "cpu"})
    found = admin.fetch(address(world.alarm))
    assert found["rule_in_words"].startswith("no rule that could be evaluated: rule.")


@pytest.mark.django_db(transaction=True)
@override_settings(TELEMETRY_ALARMS_PER_PROJECT=10)
def test_of_fifty_made_at_once_exactly_the_quota_is_made() -> None:
    """S54."""
    fields = lifecycle.check(definition())

    def make(_: int) -> str:
        try:
            lifecycle.create(fields, "p1", "u1")
        except QuotaError:
            return "refused"
        finally:
            connection.close()
        return "made"

    with ThreadPoolExecutor(20) as pool:
        outcomes = sorted(pool.map(make, range(50)))
    assert outcomes == ["made"] * 10 + ["refused"] * 40
    assert Alarm.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_of_ten_who_change_the_same_version_one_does() -> None:
    alarm = make_alarm()

    def change(number: int) -> str:
        try:
            lifecycle.change(alarm, {"name": f"name {number}"}, "u1", alarm.definition_version)
        except ChangedError:
            return "refused"
        finally:
            connection.close()
        return "made"

    with ThreadPoolExecutor(10) as pool:
        outcomes = sorted(pool.map(change, range(10)))
    assert outcomes == ["made"] + ["refused"] * 9
    assert AlarmHistory.objects.filter(type="rule change").count() == 1
