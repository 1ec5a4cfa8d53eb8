"""Alarms by aodh's API: shape, defaults, replacement, state (alarms.md 1.3, 1.4, 1.9)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from alarms.models import AlarmHistory
from tests.api.alarming.people import RULE, AlarmingClient, body, fault_of, rule

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?")
ORDER = [
    "alarm_id", "name", "description", "enabled", "ok_actions", "alarm_actions",
    "insufficient_data_actions", "repeat_actions", "type", "time_constraints", "project_id",
    "user_id", "timestamp", "state", "state_timestamp", "state_reason", "severity",
    "evaluate_timestamp", RULE,
]  # fmt: skip
MISSING = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


class TestCreate:
    def test_the_least_is_filled_up_with_aodhs_defaults_in_its_order(
        self, member: AlarmingClient
    ) -> None:
        answer = member.ask("POST", "/alarms", body())
        assert answer.status_code == 201
        made = answer.json()
        assert answer["Location"] == f"http://testserver/alarming/v2/alarms/{made['alarm_id']}"
        assert list(made) == ORDER
        assert all(
            TIME.fullmatch(made[name])
            for name in ("timestamp", "state_timestamp", "evaluate_timestamp")
        )
        assert {name: made[name] for name in ORDER if "timestamp" not in name} == {
            "alarm_id": made["alarm_id"], "name": "a",
            "description": "gnocchi_resources_threshold alarm rule", "enabled": True,
            "ok_actions": [], "alarm_actions": [], "insufficient_data_actions": [],
            "repeat_actions": False, "type": "gnocchi_resources_threshold",
            "time_constraints": [], "project_id": "p1", "user_id": "u1",
            "state": "insufficient data", "state_reason": "Not evaluated yet", "severity": "low",
            RULE: {
                "metric": "cpu", "resource_id": "r1", "resource_type": "instance",
                "comparison_operator": "eq", "threshold": 50.0, "aggregation_method": "mean",
                "evaluation_periods": 1, "granularity": 60,
            },
        }  # fmt: skip
        assert list(made[RULE]) == [
            "metric", "resource_id", "resource_type", "comparison_operator", "threshold",
            "aggregation_method", "evaluation_periods", "granularity",
        ]  # fmt: skip
        assert member.fetch(f"/alarms/{made['alarm_id']}") == made

    @pytest.mark.parametrize(
        ("change", "field", "value"),
        [
            ({"enabled": "no"}, "enabled", False),
            ({"enabled": 0}, "enabled", False),
            ({"enabled": None}, "enabled", True),
            ({"state": "alarm"}, "state", "alarm"),
            ({"severity": "critical"}, "severity", "critical"),
            ({"description": ""}, "description", "gnocchi_resources_threshold alarm rule"),
            ({"description": None}, "description", "gnocchi_resources_threshold alarm rule"),
            ({"description": "mine"}, "description", "mine"),
            ({"time_constraints": None}, "time_constraints", []),
            ({"alarm_actions": None}, "alarm_actions", []),
            ({"alarm_actions": ["http://b/", "http://a/", "http://b/"]}, "alarm_actions",
             ["http://b/", "http://a/"]),
            ({"alarm_id": MISSING}, "state", "insufficient data"),
            ({"state_reason": "mine"}, "state_reason", "Not evaluated yet"),
        ],
    )  # fmt: skip
    def test_fields_are_read_as_leniently_as_by_aodh(
        self, member: AlarmingClient, change: dict[str, Any], field: str, value: Any
    ) -> None:
        made = member.make(**change)
        assert made[field] == value
        assert made["alarm_id"] != MISSING

    @pytest.mark.parametrize(
        ("change", "field", "value"),
        [
            ({"threshold": "4.5"}, "threshold", 4.5),
            ({"evaluation_periods": "3"}, "evaluation_periods", 3),
            ({"evaluation_periods": 2.5}, "evaluation_periods", 2),
            ({"granularity": "300"}, "granularity", 300),
            ({"granularity": None}, "granularity", 60),
            ({"comparison_operator": None}, "comparison_operator", "eq"),
        ],
    )
    def test_numbers_may_be_texts(
        self, member: AlarmingClient, change: dict[str, Any], field: str, value: Any
    ) -> None:
        assert member.make(**rule(**change))[RULE][field] == value

    def test_a_time_in_the_body_is_not_taken_over(self, member: AlarmingClient) -> None:
        """aodh stores `evaluate_timestamp` from the body, and null is for ever."""
        then = "2001-01-01T00:00:00"
        sent = {name: then for name in ("timestamp", "state_timestamp", "evaluate_timestamp")}
        made = member.make(**sent)
        assert all(made[name] > "2020" for name in sent)

    def test_a_constraint_is_shown_whole(self, member: AlarmingClient) -> None:
        constraint = {
            "name": "tc", "start": "0 23 * * *", "duration": "10800",
            "timezone": "Europe/Ljubljana",
        }  # fmt: skip
        assert member.make(time_constraints=[constraint])["time_constraints"] == [
            {
                "name": "tc",
                "description": "Time constraint at 0 23 * * * lasting for 10800 seconds",
                "start": "0 23 * * *",
                "duration": 10800,
                "timezone": "Europe/Ljubljana",
            }
        ]

    def test_two_alarms_may_have_one_name(self, member: AlarmingClient) -> None:
        assert member.make()["alarm_id"] != member.make()["alarm_id"]

    def test_it_is_in_the_history(self, member: AlarmingClient) -> None:
        made = member.make(alarm_actions=["http://a/"])
        [row] = member.fetch(f"/alarms/{made['alarm_id']}/history")
        assert list(row) == [
            "event_id", "alarm_id", "type", "detail", "project_id", "user_id", "on_behalf_of",
            "timestamp",
        ]  # fmt: skip
        assert (row["type"], row["project_id"], row["user_id"], row["on_behalf_of"]) == (
            "creation", "p1", "u1", "p1",
        )  # fmt: skip
        detail = json.loads(row["detail"])
        assert list(detail) == [
            "alarm_id", "type", "enabled", "name", "description", "timestamp", "user_id",
            "project_id", "state", "state_timestamp", "state_reason", "ok_actions",
            "alarm_actions", "insufficient_data_actions", "repeat_actions", "time_constraints",
            "severity", "rule",
        ]  # fmt: skip
        assert detail["rule"] == made[RULE]


#: type → (what the body's rule is, what the answer's rule is)
RULES: dict[str, tuple[Any, Any]] = {
    "gnocchi_aggregation_by_metrics_threshold": (
        {"metrics": ["m1", "m2"], "threshold": 1, "aggregation_method": "rate:mean"},
        {"metrics": ["m1", "m2"], "comparison_operator": "eq", "threshold": 1.0,
         "aggregation_method": "rate:mean", "evaluation_periods": 1, "granularity": 60},
    ),
    "gnocchi_aggregation_by_resources_threshold": (
        {"metric": "cpu", "resource_type": "instance", "query": '{"=": {"x": "y"}}',
         "threshold": 1, "aggregation_method": "mean"},
        {"metric": "cpu", "query": '{"=": {"x": "y"}}', "resource_type": "instance",
         "comparison_operator": "eq", "threshold": 1.0, "aggregation_method": "mean",
         "evaluation_periods": 1, "granularity": 60},
    ),
    "composite": (
        {"or": [{"type": "prometheus", "query": "up", "threshold": "1"},
                {"and": [{"type": "prometheus", "query": "up", "threshold": 1},
                         {"type": "prometheus", "query": "up", "threshold": 1}]}]},
        {"or": [{"query": "up", "comparison_operator": "eq", "threshold": 1.0,
                 "type": "prometheus"},
                {"and": [{"query": "up", "comparison_operator": "eq", "threshold": 1.0,
                          "type": "prometheus"}] * 2}]},
    ),
    "event": (
        {"query": [{"field": "traits.state", "type": "string", "value": "error"}]},
        {"event_type": "*", "query": [{"field": "traits.state", "op": "eq", "type": "string",
                                       "value": "error"}]},
    ),
    "prometheus": (
        {"query": "up", "threshold": 0},
        {"query": "up", "comparison_operator": "eq", "threshold": 0.0},
    ),
    "loadbalancer_member_health": (
        {"pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"},
        {"pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"},
    ),
    "threshold": (
        {"meter_name": "cpu", "threshold": 1},
        {"meter_name": "cpu", "statistic": "avg", "period": 60, "query": [],
         "exclude_outliers": False, "comparison_operator": "eq", "threshold": 1.0,
         "evaluation_periods": 1},
    ),
}  # fmt: skip
DESCRIPTIONS = {
    "event": "Alarm when * event occurred.",
    "threshold": "Alarm when cpu is eq a avg of 1.0 over 60 seconds",
}


@pytest.mark.parametrize("kind", sorted(RULES))
def test_every_type_can_be_made_changed_and_read_back(member: AlarmingClient, kind: str) -> None:
    sent, shown = RULES[kind]
    made = member.make(type=kind, **{RULE: ..., f"{kind}_rule": sent})
    assert made[f"{kind}_rule"] == shown
    assert made["description"] == DESCRIPTIONS.get(kind, f"{kind} alarm rule")
    back = member.ask("PUT", f"/alarms/{made['alarm_id']}", made | {"name": "b"})
    assert back.status_code == 200, back.content
    assert back.json()[f"{kind}_rule"] == shown
    assert [row["type"] for row in member.fetch(f"/alarms/{made['alarm_id']}/history")] == [
        "rule change", "creation",
    ]  # fmt: skip


class TestReplace:
    def replace(self, client: AlarmingClient, made: dict[str, Any], **fields: Any) -> Any:
        answer = client.ask("PUT", f"/alarms/{made['alarm_id']}", body(**fields))
        assert answer.status_code == 200, answer.content
        return answer.json()

    def test_what_is_not_given_gets_its_default(self, member: AlarmingClient) -> None:
        made = member.make(
            severity="critical", enabled=False, state="ok", alarm_actions=["http://a/"],
            description="mine", repeat_actions=True,
        )  # fmt: skip
        now = self.replace(member, made)
        assert (now["severity"], now["enabled"], now["state"], now["alarm_actions"]) == (
            "low", True, "insufficient data", [],
        )  # fmt: skip
        assert (now["repeat_actions"], now["description"]) == (
            False, "gnocchi_resources_threshold alarm rule",
        )  # fmt: skip
        assert now["evaluate_timestamp"] is not None
        assert now["timestamp"] > made["timestamp"]

    def test_what_we_have_answered_can_be_sent_back(self, member: AlarmingClient) -> None:
        """As aodhclient's update does; nothing changes then but the time of the writing."""
        made = member.make(time_constraints=[{"name": "t", "start": "@daily", "duration": 1}])
        answer = member.ask("PUT", f"/alarms/{made['alarm_id']}", made)
        assert answer.status_code == 200, answer.content
        now = answer.json()
        assert now["timestamp"] > made["timestamp"]
        assert now | {"timestamp": made["timestamp"]} == made
        assert len(member.fetch(f"/alarms/{made['alarm_id']}/history")) == 1

    def test_a_change_of_the_state_is_a_rule_change_and_fires_nothing(
        self, member: AlarmingClient
    ) -> None:
        made = member.make(ok_actions=["http://a/"])
        now = self.replace(member, made, state="ok", name="n2", ok_actions=["http://a/"])
        assert (now["state"], now["state_reason"]) == ("ok", "Manually set via API")
        assert now["state_timestamp"] > made["state_timestamp"]
        row = member.fetch(f"/alarms/{made['alarm_id']}/history")[0]
        assert row["type"] == "rule change"
        assert json.loads(row["detail"]) == {
            "name": "n2", "state": "ok", "state_reason": "Manually set via API",
        }  # fmt: skip

    def test_the_chain_of_states_has_no_gap(self, member: AlarmingClient) -> None:
        made = member.make()
        self.replace(member, made, state="ok")
        member.ask("PUT", f"/alarms/{made['alarm_id']}/state", "alarm")
        rows = AlarmHistory.objects.filter(state_version__isnull=False).order_by("state_version")
        assert [(row.state_version, row.from_state, row.to_state) for row in rows] == [
            (1, "insufficient data", "ok"), (2, "ok", "alarm"),
        ]  # fmt: skip

    def test_the_detail_of_a_severity_is_the_text_that_suites_compare(
        self, member: AlarmingClient
    ) -> None:
        made = member.make(severity="critical")
        self.replace(member, made, severity="low")
        row = member.fetch(f"/alarms/{made['alarm_id']}/history")[0]
        assert row["detail"] == '{"severity": "low"}'

    def test_the_type_may_change(self, member: AlarmingClient) -> None:
        made = member.make()
        event = {"type": "event", RULE: ..., "event_rule": {}}
        assert "event_rule" in self.replace(member, made, **event)

    def test_a_colleagues_change_takes_the_alarm_over(self, member: AlarmingClient) -> None:
        made = member.make()
        colleague = AlarmingClient("u9", "p1", "member")
        now = self.replace(colleague, made, project_id="p2", user_id="u2")
        assert (now["user_id"], now["project_id"]) == ("u9", "p1")

    def test_an_administrator_may_give_it_away(
        self, member: AlarmingClient, admin: AlarmingClient, stranger: AlarmingClient
    ) -> None:
        made = member.make()
        assert self.replace(admin, made)["user_id"] == "u1"
        now = self.replace(admin, made, project_id="p2", user_id="u2")
        assert (now["user_id"], now["project_id"]) == ("u2", "p2")
        fault_of(member.ask("GET", f"/alarms/{made['alarm_id']}"), 404)
        [row] = stranger.fetch(f"/alarms/{made['alarm_id']}/history")
        assert row["on_behalf_of"] == "p2"
        assert len(admin.fetch(f"/alarms/{made['alarm_id']}/history")) == 2

    def test_name_type_and_rule_are_needed_again(self, member: AlarmingClient) -> None:
        made = member.make()
        for missing in ("name", "type", RULE):
            sent = body(**{missing: ...})
            fault_of(member.ask("PUT", f"/alarms/{made['alarm_id']}", sent), 400)


class TestDelete:
    def test_it_is_gone_but_its_history_can_be_asked_for(
        self, member: AlarmingClient, stranger: AlarmingClient
    ) -> None:
        alarm_id = member.make()["alarm_id"]
        answer = member.ask("DELETE", f"/alarms/{alarm_id}")
        assert (answer.status_code, answer.content) == (204, b"")
        for path in ("", "/state", "/history"):
            assert fault_of(member.ask("GET", f"/alarms/{alarm_id}{path}"), 404) == (
                "Alarm ID not found"
            )
        wanted = {"=": {"alarm_id": alarm_id}}
        rows = member.query("/history", filter=wanted)
        assert [row["type"] for row in rows] == ["deletion", "creation"]
        assert json.loads(rows[0]["detail"]) == {"state": "insufficient data"}
        assert stranger.query("/history", filter=wanted) == []

    @pytest.mark.parametrize("alarm_id", [MISSING, "nope", "a" * 300, MISSING.replace("-", "")])
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_what_is_not_there_is_not_found(
        self, admin: AlarmingClient, method: str, alarm_id: str
    ) -> None:
        answer = admin.ask(method, f"/alarms/{alarm_id}", body())
        assert fault_of(answer, 404) == "Alarm ID not found"


class TestState:
    def test_it_is_set_by_hand(self, member: AlarmingClient) -> None:
        made = member.make()
        path = f"/alarms/{made['alarm_id']}"
        assert member.fetch(f"{path}/state") == "insufficient data"
        answer = member.ask("PUT", f"{path}/state", "alarm")
        assert (answer.status_code, answer.json()) == (200, "alarm")
        now = member.fetch(path)
        assert (now["state"], now["state_reason"]) == ("alarm", "Manually set via API")
        assert now["state_timestamp"] > made["state_timestamp"]
        row = member.fetch(f"{path}/history")[0]
        assert row["type"] == "state transition"
        assert row["detail"] == '{"state": "alarm", "state_reason": "Manually set via API"}'

    def test_it_is_recorded_also_where_it_is_the_same(self, member: AlarmingClient) -> None:
        path = f"/alarms/{member.make()['alarm_id']}"
        member.ask("PUT", f"{path}/state", "ok")
        member.ask("PUT", f"{path}/state", "ok")
        assert len(member.fetch(f"{path}/history")) == 3

    @pytest.mark.parametrize("state", ["fine", {"state": "ok"}, None, 5, ["ok"], ""])
    def test_another_is_invalid(self, member: AlarmingClient, state: Any) -> None:
        path = f"/alarms/{member.make()['alarm_id']}/state"
        answer = member.ask("PUT", path, raw=json.dumps(state).encode())
        assert fault_of(answer, 400) == "state invalid"

    def test_an_empty_body_is_missing(self, member: AlarmingClient) -> None:
        path = f"/alarms/{member.make()['alarm_id']}/state"
        assert fault_of(member.ask("PUT", path), 400) == 'Missing argument: "state"'
