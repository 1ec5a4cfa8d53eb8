"""What is refused, and in which words (alarms.md 1.6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alarms.models import Alarm
from tests.api.alarming.people import RULE, AlarmingClient, body, fault_of, rule

LACKING = "Invalid input for field/attribute {}. Value: 'None'. Mandatory field missing."
NONE = "Invalid input for field/attribute {}. Value: '{}'. Value should be "
CONSTRAINT = {"name": "t", "start": "0 0 * * *", "duration": 1}
CONDITION = {"field": "traits.a", "op": "eq", "value": "1", "type": "integer"}


def refused(client: AlarmingClient, sent: Any, status: int = 400) -> str:
    text = fault_of(client.ask("POST", "/alarms", sent), status)
    assert not Alarm.objects.exists()
    return text


def event(**fields: Any) -> dict[str, Any]:
    return body(type="event", **{RULE: ...}, event_rule={"query": [CONDITION | fields]})


def constrained(**fields: Any) -> dict[str, Any]:
    return body(time_constraints=[CONSTRAINT | fields])


def composite(value: Any) -> dict[str, Any]:
    return body(type="composite", **{RULE: ...}, composite_rule=value)


SENTENCES: list[tuple[dict[str, Any], str]] = [
    (body(name=...), LACKING.format("name")),
    (body(name=None), LACKING.format("name")),
    (body(type=...), LACKING.format("type")),
    (rule(metric=...), LACKING.format("metric")),
    (rule(resource_type=...), LACKING.format("resource_type")),
    (rule(threshold=None), LACKING.format("threshold")),
    (body(type="foo"), NONE.format("type", "foo") + "one of: composite, event, …"),
    (body(foo=1), "Unknown attribute for argument data: foo"),
    (rule(foo=1), f"Unknown attribute for argument data.{RULE}: foo"),
    (body(**{RULE: ...}), f"{RULE} must be set for gnocchi_resources_threshold type alarm"),
    (body(event_rule={}), f"event_rule and {RULE} cannot be set at the same time"),
    (composite({"and": [{"type": "prometheus", "query": "up", "threshold": False}]}),
     "Invalid input for field/attribute threshold. Value: 'False'. Wrong type. Expected "
     "'<class 'float'>', got '<class 'bool'>'"),
    (rule(threshold="abc"), "Invalid input for field/attribute data. Value: '{'name': 'a', …"),
    (rule(comparison_operator=">"), NONE.format("comparison_operator", ">") + "one of: …"),
    (body(state="fine"), NONE.format("state", "fine") + "one of: ok, alarm, insufficient data"),
    (body(state=None), NONE.format("state", "None") + "one of: …"),
    (body(severity="high"), NONE.format("severity", "high") + "one of: low, moderate, critical"),
    (rule(evaluation_periods=0),
     NONE.format("evaluation_periods", "0") + "greater or equal to 1"),
    (rule(evaluation_periods=101),
     NONE.format("evaluation_periods", "101") + "lower or equal to 100"),
    (rule(granularity=31_536_001), NONE.format("granularity", "31536001") + "lower or equal to …"),
    (rule(aggregation_method="foo"), "aggregation_method should be in ['mean', …"),
    (body(enabled="zz"), "Invalid input for field/attribute data. Value: '{'name': 'a', …"),
    (body(alarm_actions="http://x"), "Invalid input for field/attribute data. Value: '{'name'…"),
    (body(time_constraints={}), "Invalid input for field/attribute data. Value: '{'name': 'a', …"),
    (event(value=5), "Invalid input for field/attribute value. Value: '5'. Wrong type. "
                     "Expected '<class 'str'>', got '<class 'int'>'"),
    (body(alarm_actions=["ftp://x"]), "Unsupported action ftp://x"),
    (body(ok_actions=[""]), "Unsupported action "),
    (body(ok_actions=["http://[::1"]), "Unable to parse action http://[::1"),
    (body(ok_actions=["trust+http://deadbeef@h/x"]), "trust URL cannot contain a trust ID."),
    (constrained(start="xx"), "Invalid input for field/attribute start. Value: 'xx'. Exactly 5, "
                              "6 or 7 columns has to be specified for iterator expression."),
    (constrained(start="0 0 30 2 *"), "Invalid input for field/attribute start. Value: '0 0 30 …"),
    (constrained(duration=-1), NONE.format("duration", "-1") + "greater or equal to 0"),
    (constrained(timezone="Mars/X"), "Timezone Mars/X is not valid"),
    (constrained(name=None), LACKING.format("name")),
    (constrained(colour=1), "Unknown attribute for argument data.time_constraints: colour"),
    (body(time_constraints=[CONSTRAINT, CONSTRAINT]),
     "Time constraint names must be unique for a given alarm."),
    (event(op="like"), "Query value or traits invalid: value must be one of ['eq', 'ge', …"),
    (event(type="text"), "Query value or traits invalid: value must be one of …"),
    (event(type=None), "Query value or traits invalid: required key not provided…"),
    (event(field="traits.a b"), "Query value or traits invalid: …"),
    (event(value="hello"),
     "Unable to convert the value hello to the expected data type integer."),
    (composite({"xor": []}), 'Threshold rules should be combined with "and" or "or"'),
    (composite({"and": []}), "Invalid input composite rule: {'and': []}, it should be a dict …"),
    (composite({"and": [{"metric": "x", "threshold": 1}]}), "type must be set in every rule"),
    (composite({"or": [{"type": "event", "query": []}]}),
     "Unsupported sub-rule type :event in composite rule, should be one of: […"),
    (composite(None), "composite_rule must be set for composite type alarm"),
    (body(type="gnocchi_aggregation_by_resources_threshold", **{RULE: ...},
          gnocchi_aggregation_by_resources_threshold_rule={
              "metric": "cpu", "resource_type": "r", "query": "zz", "threshold": 1,
              "aggregation_method": "mean"}),
     "Invalid input for field/attribute rule/query. Value: 'zz'. …"),
    (body(type="prometheus", **{RULE: ...},
          prometheus_rule={"query": "up", "threshold": 1, "granularity": 60}),
     "Unknown attribute for argument data.prometheus_rule: granularity"),
    (body(timestamp="yesterday"), "Invalid input for field/attribute timestamp. Value: 'yester…"),
    (body(evaluate_timestamp=5), "Invalid input for field/attribute evaluate_timestamp. Value: …"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "sentence"), SENTENCES)
def test_it_is_said_in_aodhs_words(
    member: AlarmingClient, sent: dict[str, Any], sentence: str
) -> None:
    """An ellipsis stands for what is not the same each time."""
    text = refused(member, sent)
    beginning = sentence.removesuffix("…")
    assert text.startswith(beginning) if beginning != sentence else text == sentence


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        (rule(threshold="abc"), "could not convert string to float: 'abc'"),
        (body(enabled="zz"), "Value not an unambiguous boolean: zz"),
        (body(alarm_actions="http://x"), "Value not a valid list: http://x"),
        (rule(granularity="x"), "invalid literal for int() with base 10: 'x'"),
        (body(**{RULE: "x"}), "Value not a valid object: x"),
    ],
)
def test_what_is_unreadable_is_told_after_the_whole_body(
    member: AlarmingClient, sent: dict[str, Any], end: str
) -> None:
    assert refused(member, sent).endswith(f"'. {end}")


@pytest.mark.parametrize(
    "sent",
    [
        rule(threshold=True),
        rule(threshold="nan"),
        rule(threshold="inf"),
        rule(threshold=10**400),
        rule(threshold=[]),
        rule(evaluation_periods=1e400),
        rule(evaluation_periods=[]),
        rule(metric=""),
        rule(metric="\0"),
        rule(resource_id="x" * 256),
        body(name=""),
        body(name="x" * 256),
        body(name="\0"),
        body(name=5),
        body(description="\0"),
        body(description=[]),
        body(user_id="\0"),
        body(project_id=5),
        body(type=[]),
        body(state=["ok"]),
        body(severity={}),
        body(alarm_actions=[5]),
        body(alarm_actions=["http://x/\0"]),
        body(alarm_actions=[f"http://x/{n}" for n in range(101)]),
        body(time_constraints=["x"]),
        body(time_constraints=[CONSTRAINT | {"name": str(n)} for n in range(101)]),
        constrained(start=5),
        constrained(duration=[]),
        constrained(duration=10**30),
        composite("x"),
        composite([]),
        composite({"and": [[]]}),
        body(type="gnocchi_aggregation_by_metrics_threshold", **{RULE: ...},
             gnocchi_aggregation_by_metrics_threshold_rule={
                 "metrics": [], "threshold": 1, "aggregation_method": "mean"}),
        body(type="event", **{RULE: ...}, event_rule=[]),
    ],
)  # fmt: skip
def test_what_aodh_takes_or_dies_of_is_refused(member: AlarmingClient, sent: Any) -> None:
    assert refused(member, sent)


def test_actions_are_counted(member: AlarmingClient, settings: Any) -> None:
    settings.TELEMETRY_ACTIONS_PER_STATE = 1
    sent = body(alarm_actions=["http://a/", "http://b/"])
    assert refused(member, sent) == "alarm_actions count exceeds maximum value 1"


@pytest.mark.parametrize("url", ["log://", "test://"])
def test_some_actions_are_for_administrators(
    member: AlarmingClient, admin: AlarmingClient, url: str
) -> None:
    sent = body(alarm_actions=[url])
    assert refused(member, sent, 401) == f"You are not authorized to create action: {url}"
    assert admin.make(alarm_actions=[url])["alarm_actions"] == [url]


@pytest.mark.parametrize(
    "url",
    [
        "http://nowhere.invalid/x", "https://10.0.0.1/", "http://site:8000/ok",
        "trust+http://site/x", "trust+https://site/x", "trust+heat://", "zaqar://?topic=critical",
        "trust+zaqar://?queue_name=q",
    ],
)  # fmt: skip
def test_an_action_may_lead_where_nothing_is_yet(member: AlarmingClient, url: str) -> None:
    """As in aodh; where it leads is judged at each send."""
    assert member.make(alarm_actions=[url])["alarm_actions"] == [url]


def test_a_trust_of_ours_is_never_shown(member: AlarmingClient) -> None:
    made = member.make()
    kept = ["trust+http://ID:delete@host/p?x=a@b", "http://u:p@host/"]
    Alarm.objects.update(alarm_actions=kept)
    shown = ["trust+http://host/p?x=a@b", "http://u:p@host/"]
    assert member.fetch(f"/alarms/{made['alarm_id']}")["alarm_actions"] == shown
    assert member.fetch("/alarms")[0]["alarm_actions"] == shown
    assert member.query()[0]["alarm_actions"] == shown


class TestBody:
    @pytest.mark.parametrize("raw", [b"null", b"[]", b'"x"', b"5", b"true"])
    def test_it_is_an_object(self, member: AlarmingClient, raw: bytes) -> None:
        for path in ("/alarms", "/query/alarms", "/query/alarms/history"):
            answer = member.ask("POST", path, raw=raw)
            assert fault_of(answer, 400) == "Request body must be a JSON object"

    @pytest.mark.parametrize("raw", [b"{", b"x", b"\xff", b'{"a": NaN}', b'"\\ud800"'])
    def test_it_is_json(self, member: AlarmingClient, raw: bytes) -> None:
        answer = member.ask("POST", "/alarms", raw=raw)
        assert fault_of(answer, 400) == "Request is not in valid JSON format"

    def test_it_is_there(self, member: AlarmingClient) -> None:
        assert fault_of(member.ask("POST", "/alarms"), 400) == 'Missing argument: "data"'
        assert fault_of(member.ask("POST", "/query/alarms"), 400) == 'Missing argument: "body"'

    def test_it_is_not_too_deep(self, member: AlarmingClient) -> None:
        fault_of(member.ask("POST", "/alarms", raw=b"[" * 100_000), 400)

    def test_it_is_not_too_large(self, member: AlarmingClient) -> None:
        raw = json.dumps(body(description="x" * (9 << 20))).encode()
        fault_of(member.ask("POST", "/alarms", raw=raw), 413)

    @pytest.mark.parametrize("kind", ["text/plain", "application/xml"])
    def test_of_another_type_it_is_not_read(self, member: AlarmingClient, kind: str) -> None:
        answer = member.ask("POST", "/alarms", body(), content_type=kind)
        assert fault_of(answer, 415) == f"Unknown mimetype: {kind}"

    def test_a_form_is_no_body(self, member: AlarmingClient) -> None:
        form = "application/x-www-form-urlencoded"
        answer = member.ask("POST", "/alarms", content_type=form, raw=b"name=a&type=b")
        assert fault_of(answer, 400) == 'Unknown argument: "name"'

    def test_a_charset_may_be_said(self, member: AlarmingClient) -> None:
        kind = "application/json; charset=UTF-8"
        assert member.ask("POST", "/alarms", body(), content_type=kind).status_code == 201


def test_a_long_value_is_not_repeated_whole(member: AlarmingClient) -> None:
    sent = body(enabled="z" * 100_000)
    assert len(refused(member, sent)) < 5000
