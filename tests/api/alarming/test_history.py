"""History by aodh's API: simple and complex queries, pages (alarms.md 1.8, 1.10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alarms.models import AlarmHistory
from tests.api.alarming.people import AlarmingClient, body, fault_of, simple


class TestHistory:
    @pytest.fixture
    def path(self, member: AlarmingClient) -> str:
        """An alarm made critical, changed to low, set to ok: three rows."""
        made = member.make(severity="critical")
        place = f"/alarms/{made['alarm_id']}"
        member.ask("PUT", place, body(severity="low"))
        member.ask("PUT", f"{place}/state", "ok")
        return f"{place}/history"

    def kinds(self, rows: list[dict[str, Any]]) -> list[str]:
        return [row["type"].split()[0] for row in rows]

    @pytest.mark.parametrize(
        ("terms", "found"),
        [
            ([], ["state", "rule", "creation"]),
            ([("type", "creation")], ["creation"]),
            ([("severity", "critical")], ["creation"]),
            ([("severity", "low")], ["state", "rule"]),
            ([("user_id", "u1"), ("project", "p1")], ["state", "rule", "creation"]),
            ([("user", "u2")], []),
            ([("timestamp", "2001-01-01T00:00:00", "gt")], ["state", "rule", "creation"]),
            ([("timestamp", "2001-01-01T00:00:00", "le")], []),
            ([("timestamp", "2100-01-01", "ge"), ("search_offset", "52560000")],
             ["state", "rule", "creation"]),
        ],
    )  # fmt: skip
    def test_terms_must_all_hold(
        self, member: AlarmingClient, path: str, terms: Any, found: list[str]
    ) -> None:
        assert self.kinds(member.fetch(f"{path}?{simple(*_in_order(terms))}")) == found

    @pytest.mark.parametrize(
        ("terms", "sentence"),
        [
            ([("alarm_id", "x")], 'Unknown argument: "alarm_id": unrecognized field in query: ['),
            ([("on_behalf_of", "x")], 'Unknown argument: "on_behalf_of": unrecognized field'),
            ([("severity", "low", "ne")], "Invalid input for field/attribute op. Value: 'ne'. "
             "unimplemented operator for severity"),
            ([("timestamp", "2001-01-01", "eq")], "Invalid input for field/attribute op. Value: "
             "'eq'. unimplemented operator for timestamp"),
            ([("timestamp", "zz", "lt")], "Invalid input for field/attribute timestamp. Value: "
             "'zz'. invalid timestamp format"),
            ([("search_offset", "5")], "Invalid input for field/attribute field. Value: "
             "'search_offset'. search_offset cannot be used without timestamp"),
            ([("timestamp", "2001-01-01", "lt"), ("search_offset", "x", "eq")],
             "Unable to convert the value x to the expected data type integer."),
            ([("timestamp", "2001-01-01", "lt"), ("search_offset", "9" * 30, "eq")],
             "Invalid input for field/attribute search_offset."),
        ],
    )  # fmt: skip
    def test_what_is_none_is_refused_in_aodhs_words(
        self, member: AlarmingClient, path: str, terms: Any, sentence: str
    ) -> None:
        answer = member.ask("GET", f"{path}?{simple(*_in_order(terms))}")
        assert fault_of(answer, 400).startswith(sentence)

    def test_the_valid_keys_are_told(self, member: AlarmingClient, path: str) -> None:
        text = fault_of(member.ask("GET", f"{path}?{simple(('foo', 'x'))}"), 400)
        assert text == (
            "Unknown argument: \"foo\": unrecognized field in query: [<Query 'foo' eq 'x' Unset>], "
            "valid keys: ['project', 'search_offset', 'severity', 'timestamp', 'type', 'user']"
        )

    def test_another_project_may_not_be_named(
        self, member: AlarmingClient, path: str, admin: AlarmingClient
    ) -> None:
        query = simple(("project", "p2"))
        fault_of(member.ask("GET", f"{path}?{query}"), 401)
        assert admin.fetch(f"{path}?{query}") == []

    def test_pages_hold_every_row_once(self, member: AlarmingClient, path: str) -> None:
        whole = [row["event_id"] for row in member.fetch(f"{path}?sort=user_id:asc")]
        seen: list[str] = []
        for _ in whole:
            marker = f"&marker={seen[-1]}" if seen else ""
            [row] = member.fetch(f"{path}?sort=user_id:asc&limit=1{marker}")
            seen.append(row["event_id"])
        assert seen == whole
        for key in ("event_id", "alarm_id", "on_behalf_of", "project_id", "type", "severity"):
            assert len(member.fetch(f"{path}?sort={key}:desc&limit=2")) == 2

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({"=": {"type": "creation"}}, ["creation"]),
            ({"=~": {"detail": "Manually"}}, ["state"]),
            ({"=": {"severity": "low"}}, ["state", "rule"]),
            ({"=": {"on_behalf_of": "p1"}}, ["state", "rule", "creation"]),
            ({"=": {"project": "p1"}}, ["state", "rule", "creation"]),
            ({"=": {"user_id": "u2"}}, []),
            ({"=~": {"event_id": "-"}}, ["state", "rule", "creation"]),
            ({"<": {"timestamp": "2001-01-01"}}, []),
        ],
    )
    def test_the_complex_query_finds_rows(
        self, member: AlarmingClient, stranger: AlarmingClient, path: str, wanted: Any, found: Any
    ) -> None:
        assert self.kinds(member.query("/history", filter=wanted)) == found
        if "on_behalf_of" not in str(wanted):
            assert stranger.query("/history", filter=wanted) == []

    def test_the_complex_query_orders_and_limits(self, member: AlarmingClient, path: str) -> None:
        rows = member.query("/history", orderby=[{"timestamp": "asc"}], limit=1)
        assert self.kinds(rows) == ["creation"]
        rows = member.query("/history", orderby=[{"severity": "desc"}])
        assert self.kinds(rows)[0] == "creation"

    def test_another_project_may_not_be_named_in_it(
        self, member: AlarmingClient, path: str
    ) -> None:
        asked = {"filter": json.dumps({"=": {"on_behalf_of": "p2"}})}
        fault_of(member.ask("POST", "/query/alarms/history", asked), 401)

    def test_the_evaluators_rows_are_the_projects(self, member: AlarmingClient, path: str) -> None:
        alarm_id = path.split("/")[2]
        AlarmHistory.objects.create(
            alarm_id=alarm_id, type="state transition", project_id="p1",
            detail={"transition_reason": "Transition to alarm …", "state": "alarm"},
        )  # fmt: skip
        row = member.fetch(path)[0]
        assert json.loads(row["detail"]) == {
            "state": "alarm", "transition_reason": "Transition to alarm …",
        }  # fmt: skip
        assert (row["on_behalf_of"], row["project_id"]) == ("p1", "p1")


def _in_order(terms: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Each with an operator where one has: they are matched by position."""
    if any(len(term) > 2 for term in terms):
        return [(*term, "eq") if len(term) == 2 else term for term in terms]
    return terms
