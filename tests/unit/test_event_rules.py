"""Event alarms: the truth table (alarms.md 7.7, with 2.5's and 11's changes), and an oracle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.definition import EventRule, parse_rule
from alarms.events import Index, decide, matches
from meters.wire import Event, Trait

TRAITS = [
    Trait("project_id", "text", "p"),
    Trait("state", "text", "error"),
    Trait("vcpus", "int", 4),
    Trait("load", "float", 0.5),
    Trait("when", "datetime", 1_764_072_000_000_000),
]
EVENT = Event(
    "m1", "compute.instance.update", 1_764_072_000_000_000, TRAITS,
    {"payload": {"x": "y", "n": 7, "deep": {"flag": True}}},
)  # fmt: skip


def rule(event_type: str = "*", *query: tuple[str, str, str, str]) -> EventRule:
    conditions = [
        {"field": field, "op": op, "value": value, "type": kind} for field, op, value, kind in query
    ]
    parsed = parse_rule("event", {"event_type": event_type, "query": conditions})
    assert isinstance(parsed, EventRule)
    return parsed


#: row of the table, event type, conditions, whether it fires. V8, V9, V13 and V15 are ours: both
#: sides are read as the rule says, booleans and other fields work.
TABLE: list[tuple[str, str, list[tuple[str, str, str, str]], bool]] = [
    ("V1", "*", [], True),
    ("V2", "compute.instance.*", [], True),
    ("V2", "compute.*.update", [], True),
    ("V2", "compute.instance.updat?", [], True),
    ("V2", "compute.instance.[a-u]pdate", [], True),
    ("V3", "compute.instance", [], False),
    ("V4", "COMPUTE.*", [], False),
    ("V5", "*", [("traits.state", "eq", "error", "string")], True),
    ("V6", "*", [("traits.state", "eq", "active", "string")], False),
    ("V7", "*", [("traits.vcpus", "ge", "4", "integer")], True),
    ("V8", "*", [("traits.vcpus", "eq", "4", "string")], True),
    ("V8", "*", [("traits.vcpus", "eq", "4", "")], True),
    ("V9", "*", [("traits.vcpus", "lt", "5", "string")], True),
    ("V10", "*", [("traits.load", "lt", "0.6", "float")], True),
    ("V11", "*", [("traits.zz", "eq", "1", "string")], False),
    ("V11", "*", [("traits.zz", "lt", "1", "integer")], False),
    ("V12", "*", [("traits.zz", "ne", "1", "string")], True),
    ("V13", "*", [("traits.state", "eq", "true", "boolean")], False),
    ("V13", "*", [("raw.payload.deep.flag", "eq", "yes", "boolean")], True),
    (
        "V14", "*",
        [("traits.state", "eq", "error", ""), ("traits.vcpus", "eq", "5", "integer")], False,
    ),
    ("V15", "*", [("event_type", "eq", "compute.instance.update", "string")], True),
    ("V15", "*", [("message_id", "ne", "m1", "string")], False),
    ("V15", "*", [("raw.payload.x", "eq", "y", "")], True),
    ("V15", "*", [("raw.payload.n", "gt", "6", "")], True),
    ("V15", "*", [("raw.payload", "eq", "y", "")], False),
    ("V15", "*", [("generated", "lt", "2030-01-01T00:00:00", "")], True),
    ("V23", "*", [("traits.state", "ge", "4", "integer")], False),
    ("V23", "*", [("traits.state", "ne", "4", "integer")], False),
    ("when", "*", [("traits.when", "eq", "2025-11-25T12:00:00", "")], True),
    ("when", "*", [("traits.when", "lt", "2025-11-25T13:00:00+02:00", "")], False),
    ("when", "*", [("traits.when", "lt", "no time", "")], False),
    ("nothing", "*", [("nosuch", "eq", "1", "")], False),
]  # fmt: skip
IDS = [f"{row[0]}-{n}" for n, row in enumerate(TABLE)]


@pytest.mark.parametrize(("_", "event_type", "query", "fires"), TABLE, ids=IDS)
def test_the_truth_table_of_event_queries(
    _: str, event_type: str, query: list[tuple[str, str, str, str]], fires: bool
) -> None:
    one = rule(event_type, *query)
    assert matches(one, EVENT) is fires
    assert (decide("insufficient data", False, one, EVENT) is not None) is fires


def test_the_truth_table_in_one_evaluation() -> None:
    index = Index(
        (n, rule(event_type, *query)) for n, (_, event_type, query, _) in enumerate(TABLE)
    )
    expected = [n for n, row in enumerate(TABLE) if row[3]]
    assert sorted(index.matching(EVENT)) == expected


class TestVerdicts:
    def test_the_sentence_of_a_rule_without_query(self) -> None:
        verdict = decide("insufficient data", False, rule(), EVENT)
        assert verdict is not None
        assert verdict.reason == (
            "Event <id=m1,event_type=compute.instance.update> hits the query <query=[]>."
        )

    def test_the_sentence_and_facts_of_v5(self) -> None:
        one = rule("*", ("traits.state", "eq", "error", "string"))
        verdict = decide("ok", False, one, EVENT)
        assert verdict is not None
        assert (verdict.state, verdict.changed) == ("alarm", True)
        assert verdict.reason == (
            "Event <id=m1,event_type=compute.instance.update> hits the query <query="
            '[{"field": "traits.state", "op": "eq", "type": "string", "value": "error"}]>.'
        )
        assert verdict.reason_data == {
            "type": "event",
            "event": {
                "message_id": "m1",
                "event_type": "compute.instance.update",
                "generated": "2025-11-25T12:00:00",
                "traits": [
                    ["project_id", 1, "p"], ["state", 1, "error"], ["vcpus", 2, 4],
                    ["load", 3, 0.5], ["when", 4, "2025-11-25T12:00:00"],
                ],
                "raw": EVENT.raw,
            },
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("row", "previous", "repeat", "changed"),
        [
            ("V16", "alarm", False, None),
            ("V17", "alarm", True, False),
            ("V18", "ok", False, True),
            ("V18", "insufficient data", True, True),
        ],
    )
    def test_what_was_before(
        self, row: str, previous: str, repeat: bool, changed: bool | None
    ) -> None:
        verdict = decide(previous, repeat, rule(), EVENT)
        assert (verdict and verdict.changed) is changed, row


texts = st.sampled_from(["error", "4", "4.0", "true", "y", "", "nosuch", "0.5"])
conditions = st.tuples(
    st.sampled_from(["traits.state", "traits.vcpus", "traits.load", "traits.zz", "event_type",
                     "raw.payload.x", "raw.payload", "traits.when"]),
    st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]),
    texts,
    st.sampled_from(["", "string"]),
)  # fmt: skip
rule_sets = st.lists(
    st.tuples(
        st.sampled_from(["*", "compute.*", "x.*", "compute.instance.update"]),
        st.lists(conditions, max_size=3),
    ),
    max_size=20,
)


@given(rule_sets)
def test_an_index_finds_what_each_rule_finds_by_itself(
    given_rules: list[tuple[str, list[tuple[str, str, str, str]]]],
) -> None:
    made = [rule(event_type, *query) for event_type, query in given_rules]
    alone = [n for n, one in enumerate(made) if matches(one, EVENT)]
    assert sorted(Index(enumerate(made)).matching(EVENT)) == alone
