"""Lists by aodh's API: simple and complex queries, order, pages (alarms.md 1.7, 1.8)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from alarms.models import Alarm
from tests.api.alarming.people import RULE, AlarmingClient, fault_of, simple


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


@pytest.fixture
def alarms(member: AlarmingClient, stranger: AlarmingClient) -> list[dict[str, Any]]:
    """a (low, ok, http), b (critical, alarm, disabled), c (moderate); theirs is p2's."""
    made = [
        member.make(name="a", state="ok", alarm_actions=["http://a/"]),
        member.make(name="b", state="alarm", severity="critical", enabled=False),
        member.make(name="c", severity="moderate", repeat_actions=True, type="event",
                    **{RULE: ..., "event_rule": {}}),
    ]  # fmt: skip
    stranger.make(name="theirs")
    return made


class TestSimple:
    @pytest.mark.parametrize(
        ("terms", "found"),
        [
            ([("name", "a")], "a"),
            ([("state", "alarm", "eq")], "b"),
            ([("severity", "moderate", "eq", "string")], "c"),
            ([("type", "event")], "c"),
            ([("enabled", "True")], "ca"),
            ([("enabled", "true")], "ca"),
            ([("enabled", "false", "eq", "boolean")], "b"),
            ([("repeat_actions", "1")], "c"),
            ([("user_id", "u1")], "cba"),
            ([("project_id", "p1")], "cba"),
            ([("all_projects", "false")], "cba"),
            ([("name", "a"), ("state", "ok")], "a"),
            ([("name", "a"), ("state", "alarm")], ""),
            ([("name", "12")], ""),
            ([("state", "fine")], ""),
            ([], "cba"),
        ],
    )
    def test_triples_must_all_hold(
        self, member: AlarmingClient, alarms: Any, terms: Any, found: str
    ) -> None:
        assert "".join(names(member.fetch(f"/alarms?{simple(*terms)}"))) == found

    def test_a_time_is_equal_or_not(self, member: AlarmingClient, alarms: Any) -> None:
        term = ("timestamp", alarms[1]["timestamp"])
        assert names(member.fetch(f"/alarms?{simple(term)}")) == ["b"]

    @pytest.mark.parametrize(
        ("query", "sentence"),
        [
            (simple(("alarm_id", "x")), "Invalid input for field/attribute field. Value: "
             "'{'alarm_id'}'. only fields ["),
            (simple(("name", "x", "ne")), "Invalid input for field/attribute op. Value: "
             "'{'ne'}'. only operations {'eq'} are allowed"),
            (simple(("name", "x", "eq", "foo")), "The data type foo is not supported. The "
             "supported data type list is: ['integer', 'float', 'string', 'boolean', 'datetime']"),
            (simple(("name", "x", "eq", "integer")), "Unable to convert the value x to the "
             "expected data type integer."),
            (simple(("enabled", "zz")), "Unable to convert the value zz to the expected data "
             "type boolean."),
            (simple(("all_projects", "zz")), "Unable to convert the value zz to the expected "
             "data type boolean."),
            (simple(("timestamp", "zz")), "Invalid input for field/attribute timestamp. Value: "
             "'zz'. invalid timestamp format"),
            ("q.field=name", "q.value is given 0 times, q.field 1 times"),
            ("q.field=name&q.field=state&q.value=x&q.value=y&q.op=eq", "q.op is given 1 times"),
            ("q.field=name&q.value=%00", "q.value holds a NUL character"),
            ("sort=foo", "Invalid input for field/attribute sort. Value: 'foo'. the sort param"),
            ("sort=name:up", "Invalid input for field/attribute sort. Value: 'name:up'. the sort"),
            ("limit=-1", "Invalid input for field/attribute limit. Value: '-1'. it should be a "
             "positive integer."),
            ("limit=x", "Invalid input for field/attribute limit. Value: 'x'. unable to convert "
             "to int. Error: invalid literal"),
            ("marker=zz", "Marker zz not found."),
            ("marker=6ba7b810-9dad-11d1-80b4-00c04fd430c8", "Marker 6ba7b810-9dad-11d1-80b4-"),
        ],
    )  # fmt: skip
    def test_what_is_none_is_refused_in_aodhs_words(
        self, member: AlarmingClient, query: str, sentence: str
    ) -> None:
        assert fault_of(member.ask("GET", f"/alarms?{query}"), 400).startswith(sentence)

    def test_other_projects_are_for_administrators(
        self, member: AlarmingClient, admin: AlarmingClient, alarms: Any
    ) -> None:
        """`all_projects=false` once showed all of them (LP 2161276)."""
        everybody = simple(("all_projects", "true"))
        assert fault_of(member.ask("GET", f"/alarms?{everybody}"), 403) == (
            "RBAC Authorization Failed"
        )
        theirs = simple(("project_id", "p2"))
        assert fault_of(member.ask("GET", f"/alarms?{theirs}"), 401) == (
            "Not Authorized to access project p2"
        )
        assert admin.fetch("/alarms") == []
        assert admin.fetch(f"/alarms?{simple(('all_projects', 'false'))}") == []
        assert names(admin.fetch(f"/alarms?{everybody}")) == ["theirs", "c", "b", "a"]
        assert names(admin.fetch(f"/alarms?{theirs}")) == ["theirs"]


class TestPages:
    def test_severity_has_an_order_of_its_own(self, member: AlarmingClient, alarms: Any) -> None:
        """It was alphabetical (LP 1452254)."""
        seen, marker = "", {}
        for _ in range(3):
            asked = urlencode({"sort": "severity:asc", "limit": 1} | marker)
            [row] = member.fetch(f"/alarms?{asked}")
            seen += row["name"]
            marker = {"marker": row["alarm_id"]}
        assert seen == "acb"
        assert member.fetch(f"/alarms?{urlencode({'sort': 'severity'} | marker)}") == []

    @pytest.mark.parametrize(
        ("sort", "found"),
        [
            ("name", "abc"), ("name:desc", "cba"), ("enabled:asc&sort=name:desc", "bca"),
            ("state", "bca"), ("timestamp:asc", "abc"), ("repeat_actions:desc", "c"),
            ("type", "c"), ("state_timestamp:desc", "cba"), ("user_id", ""), ("project_id", ""),
            ("alarm_id", ""),
        ],
    )  # fmt: skip
    def test_every_key_orders(
        self, member: AlarmingClient, alarms: Any, sort: str, found: str
    ) -> None:
        rows = names(member.fetch(f"/alarms?sort={sort}"))
        assert "".join(rows).startswith(found)
        assert sorted(rows) == ["a", "b", "c"]

    @pytest.mark.parametrize("sort", ["project_id", "user_id:desc", "state", "severity:desc", ""])
    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_pages_hold_every_alarm_once(
        self, member: AlarmingClient, alarms: Any, sort: str, limit: int
    ) -> None:
        for _ in range(4):
            member.make(name="same")
        order = f"sort={sort}&" if sort else ""
        whole = [row["alarm_id"] for row in member.fetch(f"/alarms?{order}limit=0")]
        seen: list[str] = []
        while True:
            marker = f"&marker={seen[-1]}" if seen else ""
            rows = member.fetch(f"/alarms?{order}limit={limit}{marker}")
            seen += [row["alarm_id"] for row in rows]
            if not rows:
                break
        assert seen == whole
        assert len(set(seen)) == 7

    def test_a_marker_is_one_of_those_that_are_listed(
        self, member: AlarmingClient, alarms: Any
    ) -> None:
        other = Alarm.objects.get(name="theirs").pk
        for asked in (f"marker={other}", f"{simple(('name', 'a'))}&marker={alarms[1]['alarm_id']}"):
            assert "not found" in fault_of(member.ask("GET", f"/alarms?{asked}"), 400)


class TestComplex:
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({"=": {"name": "a"}}, "a"),
            ({"==": {"name": "a"}}, "a"),
            ({"eq": {"name": "a"}}, "a"),
            ({"!=": {"name": "a"}}, "cb"),
            ({"ne": {"name": "a"}}, "cb"),
            ({"<": {"name": "b"}}, "a"),
            ({"=<": {"name": "b"}}, "ba"),
            ({"=>": {"name": "b"}}, "cb"),
            ({"gt": {"name": "b"}}, "c"),
            ({"=~": {"name": "^[ab]$"}}, "ba"),
            ({"=~": {"name": "A"}}, ""),
            ({"in": {"name": ["a", "b", "z"]}}, "ba"),
            ({"IN": {"name": ["a"]}}, "a"),
            ({"not": {"=": {"name": "a"}}}, "cb"),
            ({"AND": [{"=": {"state": "ok"}}, {"NOT": {"in": {"name": ["b", "c"]}}}]}, "a"),
            ({"or": [{"=": {"state": "ok"}}, {"=": {"severity": "critical"}}]}, "ba"),
            ({"=": {"enabled": True}}, "ca"),
            ({"=": {"enabled": "false"}}, "b"),
            ({"=": {"repeat_actions": True}}, "c"),
            ({">": {"timestamp": "2001-01-01T00:00:00"}}, "cba"),
            ({"<": {"state_timestamp": "2001-01-01"}}, ""),
            ({">": {"evaluate_timestamp": "2001-01-01"}}, "cba"),
            ({"=": {"user": "u1"}}, "cba"),
            ({"=": {"project": "p1"}}, "cba"),
            ({"=": {"alarm_id": "nope"}}, ""),
            ({"!=": {"alarm_id": "nope"}}, "cba"),
            ({"=~": {"alarm_id": "-"}}, "cba"),
            ({"=~": {"alarm_actions": "http://a/"}}, "a"),
            ({"=~": {"rule": "event_type"}}, "c"),
            ({"=": {"ok_actions": "[]"}}, "cba"),
            ({"=~": {"description": "event"}}, "c"),
            ({"=": {"state_reason": "Not evaluated yet"}}, "cba"),
            ({"=": {"name": 12}}, ""),
            ({"=": {"time_constraints": "[]"}}, "cba"),
        ],
    )
    def test_a_filter_filters(
        self, member: AlarmingClient, alarms: Any, wanted: Any, found: str
    ) -> None:
        assert "".join(names(member.query(filter=wanted))) == found

    def test_a_number_finds_a_name_of_digits(self, member: AlarmingClient) -> None:
        """aodhclient makes 12.0 of it."""
        member.make(name="12")
        assert names(member.query(filter={"=": {"name": 12.0}})) == ["12"]

    @pytest.mark.parametrize(
        ("order", "found"),
        [
            ([{"name": "ASC"}], "abc"),
            ([{"severity": "desc"}], "bca"),
            ([{"enabled": "asc"}, {"name": "desc"}], "bca"),
            ([{"timestamp": "asc"}], "abc"),
            ([{"alarm_id": "asc"}], ""),
        ],
    )
    def test_an_order_orders(
        self, member: AlarmingClient, alarms: Any, order: Any, found: str
    ) -> None:
        assert "".join(names(member.query(orderby=order))).startswith(found)

    def test_an_empty_order_is_none(self, member: AlarmingClient, alarms: Any) -> None:
        assert sorted(names(member.query(orderby=[]))) == ["a", "b", "c"]

    def test_a_limit_limits(self, member: AlarmingClient, alarms: Any) -> None:
        assert names(member.query(limit=2)) == ["c", "b"]
        assert names(member.query(limit="1")) == ["c"]

    def test_null_is_absent(self, member: AlarmingClient, alarms: Any) -> None:
        answer = member.ask("POST", "/query/alarms", {"filter": None, "orderby": None})
        assert names(answer.json()) == ["c", "b", "a"]

    @pytest.mark.parametrize(
        ("sent", "sentence"),
        [
            ({"filter": ""}, "Filter expression not valid: Expecting value: line 1 column 1"),
            ({"filter": "[" * 10_000}, "Filter expression not valid: "),
            ({"filter": {}}, "Invalid input for field/attribute filter. Value: '{}'. Wrong type."),
            ({"foo": 1}, "Unknown attribute for argument body: foo"),
            ({"limit": 0}, "Limit should be positive"),
            ({"limit": -1}, "Limit should be positive"),
            ({"limit": []}, "Invalid input for field/attribute limit."),
            ({"orderby": "x"}, "Order-by expression not valid: "),
            ({"orderby": "{}"}, "Order-by expression not valid: "),
            ({"orderby": '[{"nosuch": "asc"}]'}, "Order-by expression not valid: "),
            ({"orderby": '[{"name": "up"}]'}, "Order-by expression not valid: "),
            ({"orderby": "[5]"}, "Order-by expression not valid: "),
        ],
    )
    def test_what_is_none_is_refused(
        self, member: AlarmingClient, sent: Any, sentence: str
    ) -> None:
        answer = member.ask("POST", "/query/alarms", sent)
        assert fault_of(answer, 400).startswith(sentence)

    @pytest.mark.parametrize(
        "wanted",
        [
            5, [], {}, {"=": {}}, {"=": 5}, {"=": {"name": None}}, {"=": {"name": []}},
            {"=": {"nosuch": 1}}, {"like": {"name": "x"}},
            {"=": {"name": "a"}, "!=": {"name": "b"}},
            {"=": {"name": "a", "state": "ok"}}, {"and": []}, {"and": [{"=": {"name": "a"}}]},
            {"and": {}}, {"not": []}, {"in": {"name": []}}, {"in": {"name": "a"}},
            {"in": {"name": [True]}}, {"=": {"name": "\0"}}, {"=": {"name": "\ud800"}},
            {"in": {"name": ["\udfff"]}}, {"=~": {"enabled": "x"}},
            {"=~": {"name": 5}}, {"=~": {"name": "x" * 1001}}, {"=": {"enabled": "zz"}},
            {"=": {"metadata.x": "1"}}, {"or": [{"=": {"name": "a"}}] * 1001},
        ],
    )  # fmt: skip
    def test_another_filter_is_refused_with_its_place(
        self, member: AlarmingClient, wanted: Any
    ) -> None:
        answer = member.ask("POST", "/query/alarms", {"filter": json.dumps(wanted)})
        text = fault_of(answer, 400)
        assert text.startswith("Filter expression not valid: filter")
        assert "\n" not in text

    @pytest.mark.parametrize("value", ["zz", 5])
    def test_a_time_is_one(self, member: AlarmingClient, value: Any) -> None:
        asked = {"filter": json.dumps({"<": {"timestamp": value}})}
        fault_of(member.ask("POST", "/query/alarms", asked), 400)

    def test_a_broken_pattern_is_refused(self, member: AlarmingClient, alarms: Any) -> None:
        asked = {"filter": json.dumps({"=~": {"name": "("}})}
        text = fault_of(member.ask("POST", "/query/alarms", asked), 400)
        assert text.endswith("no pattern: parentheses () not balanced")

    def test_a_pattern_that_would_take_all_memory_is_refused(
        self, member: AlarmingClient, alarms: Any
    ) -> None:
        asked = {"filter": json.dumps({"=~": {"name": "(x{1,200}){1,200}"}})}
        text = fault_of(member.ask("POST", "/query/alarms", asked), 400)
        assert "is compared with what is no pattern: it takes too " in text

    @pytest.mark.parametrize(
        "wanted",
        [
            {"=": {"project_id": "p2"}},
            {"!=": {"project_id": "p2"}},
            {"=": {"project": "p2"}},
            {"in": {"project_id": ["p1", "p2"]}},
            {"or": [{"=": {"name": "a"}}, {"not": {"=": {"project": "p2"}}}]},
            {"=~": {"project_id": "p"}},
        ],
    )
    def test_another_project_may_not_be_named(
        self, member: AlarmingClient, alarms: Any, wanted: Any
    ) -> None:
        asked = {"filter": json.dumps(wanted)}
        text = fault_of(member.ask("POST", "/query/alarms", asked), 401)
        assert text.startswith("Not Authorized to access project p")

    def test_an_or_does_not_lead_out_of_the_project(
        self, member: AlarmingClient, alarms: Any
    ) -> None:
        wanted = {"or": [{"=~": {"name": "."}}, {"not": {"=": {"name": "x"}}}]}
        assert names(member.query(filter=wanted)) == ["c", "b", "a"]

    def test_an_administrator_sees_every_project(self, admin: AlarmingClient, alarms: Any) -> None:
        assert names(admin.query()) == ["theirs", "c", "b", "a"]
        assert names(admin.query(filter={"=": {"project_id": "p2"}})) == ["theirs"]
