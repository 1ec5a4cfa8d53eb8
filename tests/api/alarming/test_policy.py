"""The field `policy`, which aodh does not have: shown where it is set, kept where nobody names it,
refused with its place (alarms.md 8.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alarms.models import PolicyMemory
from tests.api.alarming.people import RULE, AlarmingClient, fault_of, rule
from tests.support.muting import asked, matcher

POLICY = {
    "for": 300, "keep_firing_for": 60, "recovery_threshold": 40.0, "no_data": "keep",
    "no_data_for": 120, "repeat_interval": 3600,
    "template": {"subject": "{{ alarm_name }}", "body": ""},
}  # fmt: skip
MUTE = {"name": "night", "start": "0 23 * * *", "duration": 3600}


def above(**fields: Any) -> dict[str, Any]:
    return rule(comparison_operator="gt", threshold=50) | fields


def made(client: AlarmingClient, **fields: Any) -> dict[str, Any]:
    answer = client.ask("POST", "/alarms", above(**fields))
    assert answer.status_code == 201, answer.content
    alarm: dict[str, Any] = answer.json()
    return alarm


def put(client: AlarmingClient, alarm: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    answer = client.ask("PUT", f"/alarms/{alarm['alarm_id']}", whole)
    assert answer.status_code == 200, answer.content
    changed: dict[str, Any] = answer.json()
    return changed


def test_it_is_shown_with_where_the_alarm_stands(member: AlarmingClient) -> None:
    alarm = made(member, policy=POLICY)
    assert list(alarm)[-2:] == ["policy", "policy_status"]
    assert alarm["policy"] == POLICY
    assert alarm["policy_status"] == {
        "phase": "no data", "since": alarm["state_timestamp"], "fired_at": None,
        "acked_by": None, "silenced_by": [], "inhibited_by": [],
    }  # fmt: skip
    assert member.fetch("/alarms") == [alarm]


def test_who_keeps_it_quiet_is_told_in_lists_too(member: AlarmingClient) -> None:
    one, source = made(member, policy=POLICY, name="one"), made(member, name="source")
    for alarm in (one, source):
        member.ask("PUT", f"/alarms/{alarm['alarm_id']}/state", "alarm")
    silence = member.ask("POST", "/silences", asked(matcher(value="one"))).json()["id"]
    inhibition = {"source": [matcher(value="source")], "target": [matcher(value="one")]}
    assert member.ask("POST", "/inhibitions", inhibition | {"equal": []}).status_code == 201
    member.ask("POST", f"/alarms/{one['alarm_id']}/ack", {"comment": "on it"})
    for shown in (member.fetch(f"/alarms/{one['alarm_id']}"), member.fetch("/alarms")[1]):
        status = shown["policy_status"]
        assert status["acked_by"]
        assert (status["silenced_by"], status["inhibited_by"]) == ([silence], [source["alarm_id"]])


@pytest.mark.parametrize("policy", [None, {}, {"for": 0}, {"no_data": "insufficient"}])
def test_one_that_asks_for_nothing_is_none(member: AlarmingClient, policy: Any) -> None:
    alarm = made(member, policy=policy)
    assert "policy" not in alarm
    assert "policy_status" not in alarm


def test_without_a_word_about_it_it_stays(member: AlarmingClient) -> None:
    alarm = made(member, policy=POLICY)
    assert put(member, alarm, above())["policy"] == POLICY


def test_what_was_answered_can_be_sent_back(member: AlarmingClient) -> None:
    alarm = made(member, policy=POLICY | {"mute": [MUTE]})
    changed = put(member, alarm, alarm | {"severity": "critical"})
    assert changed["policy"] == alarm["policy"]
    described = "Time constraint at 0 23 * * * lasting for 3600 seconds"
    assert changed["policy"]["mute"] == [MUTE | {"description": described, "timezone": ""}]


def test_null_takes_it_away_and_history_tells(member: AlarmingClient) -> None:
    alarm = made(member, policy=POLICY)
    assert "policy" not in put(member, alarm, above(policy=None))
    rows = member.fetch(f"/alarms/{alarm['alarm_id']}/history")
    assert [json.loads(row["detail"]).get("policy", "-") for row in rows] == [None, POLICY]


def test_history_of_an_alarm_without_one_is_aodhs(member: AlarmingClient) -> None:
    alarm = made(member)
    [row] = member.fetch(f"/alarms/{alarm['alarm_id']}/history")
    assert "policy" not in json.loads(row["detail"])


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ([], "policy: must be an object"),
        ({"fro": 1}, "policy.fro: Object contains unknown field `fro`"),
        ({"for": -1}, "policy.for: Expected `int` >= 0"),
        ({"for": "1"}, "policy.for: Expected `int`, got `str`"),
        ({"for": True}, "policy.for: Expected `int`, got `bool`"),
        ({"for": 10**10}, "policy.for: Expected `int` <= 31536000"),
        ({"no_data": "x"}, "policy.no_data: Invalid enum value 'x'"),
        ({"repeat_interval": 0}, "policy.repeat_interval: Expected `int` >= 1"),
        ({"recovery_threshold": 51}, "policy.recovery_threshold: must not be above the threshold"),
        ({"mute": [{"name": "n"}]}, "policy.mute[0]: Object missing required field `start`"),
        ({"mute": [MUTE | {"timezone": "Mars/One"}]}, "Timezone Mars/One is not valid"),
        ({"mute": [MUTE, MUTE]}, "Time constraint names must be unique for a given alarm."),
        ({"template": {"subject": 1}}, "policy.template.subject: Expected `str`, got `int`"),
        ({"template": {"body": "\0"}}, "policy.template.body: holds a NUL character"),
        ({"template": {"body": "a\n{{ nosuch }}"}}, "policy.template.body: line 2: names 'nosuch'"),
        ({"template": {"subject": "{% load x %}"}}, "policy.template.subject: line 1: Invalid"),
    ],
)
def test_what_is_wrong_with_it_is_said_with_its_place(
    member: AlarmingClient, policy: Any, words: str
) -> None:
    answer = member.ask("POST", "/alarms", above(policy=policy))
    assert fault_of(answer, 400).startswith(words)


@pytest.mark.parametrize(
    ("operator", "limit", "is_good"),
    [
        ("gt", 50, True), ("ge", 49.9, True), ("ge", 51, False), ("lt", 50, True),
        ("le", 60, True), ("le", 49, False), ("eq", 50, False), ("ne", 50, False),
    ],
)  # fmt: skip
def test_the_limit_to_recover_lies_on_the_good_side(
    member: AlarmingClient, operator: str, limit: float, is_good: bool
) -> None:
    own = rule(comparison_operator=operator, threshold=50)
    answer = member.ask("POST", "/alarms", own | {"policy": {"recovery_threshold": limit}})
    assert answer.status_code == (201 if is_good else 400)


def test_a_kept_limit_must_suit_the_new_rule(member: AlarmingClient) -> None:
    alarm = made(member, policy={"recovery_threshold": 40})
    changed = rule(comparison_operator="gt", threshold=30)
    answer = member.ask("PUT", f"/alarms/{alarm['alarm_id']}", changed)
    assert fault_of(answer, 400).startswith("policy.recovery_threshold: must not be above")


@pytest.mark.parametrize("name", ["for", "no_data", "repeat_interval", "recovery_threshold"])
def test_an_event_alarm_has_no_use_for_most_of_it(member: AlarmingClient, name: str) -> None:
    own = {"name": "e", "type": "event", "event_rule": {"event_type": "x"}}
    answer = member.ask("POST", "/alarms", own | {"policy": {name: POLICY[name]}})
    assert fault_of(answer, 400) == f"policy.{name}: means nothing to an alarm of type event"
    assert member.ask("POST", "/alarms", own | {"policy": {"mute": [MUTE]}}).status_code == 201


def test_a_composite_alarm_has_no_one_threshold(member: AlarmingClient) -> None:
    part = rule(comparison_operator="gt")[RULE] | {"type": "gnocchi_resources_threshold"}
    own = {"name": "c", "type": "composite", "composite_rule": {"or": [part, part]}}
    answer = member.ask("POST", "/alarms", own | {"policy": {"recovery_threshold": 1}})
    assert fault_of(answer, 400) == "policy.recovery_threshold: needs a rule with one threshold"
    assert member.ask("POST", "/alarms", own | {"policy": {"for": 60}}).status_code == 201


def test_a_list_asks_no_more_for_more_alarms_with_a_policy(member: AlarmingClient) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert member.ask("GET", "/alarms").status_code == 200
        return len(captured)

    def evaluated(name: str) -> None:
        alarm_id = made(member, name=name, policy=POLICY)["alarm_id"]
        PolicyMemory.objects.create(alarm_id=alarm_id, definition_version=1)

    evaluated("first")
    one = queries()
    for number in range(4):
        evaluated(f"further {number}")
    assert queries() == one
