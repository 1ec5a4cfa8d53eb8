"""Composite alarms: the truth table (alarms.md 7.5) one by one and all at once, and an oracle."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms import composites, rules
from alarms.choices import State
from alarms.composites import ALARM, NONE, OK, UNKNOWN, Settled
from alarms.definition import CompositeRule, parse_rule

ID = State.INSUFFICIENT_DATA.value
STATES = {"id": ID, "ok": "ok", "alarm": "alarm"}
SERIES = {"A": [90, 91], "O": [10, 11], "↑": [10, 90], "↓": [90, 10], "?": [90]}


class Row(NamedTuple):
    """`causes` are the numbers of the rules that the verdict names; None: nothing happens."""

    name: str
    form: Any
    windows: str
    asked: list[int]
    previous: str
    repeat: bool
    new: str
    causes: list[int] | None


def _each(number: int, form: Any, seen: str, asked: list[int], *cells: Any) -> list[Row]:
    found = []
    for previous, cell in zip(("id", "ok", "alarm"), cells, strict=True):
        new, causes = (cell, None) if isinstance(cell, str) else cell
        found.append(Row(f"C{number} {previous}", form, seen, asked, previous, False, new, causes))
    return found


AND, OR = {"and": "ab"}, {"or": "ab"}
NESTED = {"and": ["a", {"or": "bc"}]}
TABLE = [
    *_each(1, AND, "AA", [1, 2], ("alarm", [1, 2]), ("alarm", [1, 2]), "alarm"),
    *_each(2, AND, "AO", [1, 2], ("ok", [2]), "ok", ("ok", [2])),
    *_each(3, AND, "OA", [1], ("ok", [1]), "ok", ("ok", [1])),
    *_each(4, AND, "A?", [1, 2], "id", ("id", [2]), ("id", [2])),
    *_each(5, AND, "O?", [1], ("ok", [1]), "ok", ("ok", [1])),
    *_each(6, AND, "?O", [1, 2], ("ok", [2]), "ok", ("ok", [2])),
    *_each(7, AND, "↑A", [1, 2], ("alarm", [1, 2]), "ok", ("ok", [1])),
    *_each(8, AND, "↓A", [1, 2], ("ok", [1]), ("alarm", [1, 2]), "alarm"),
    *_each(9, OR, "A?", [1], ("alarm", [1]), ("alarm", [1]), "alarm"),
    *_each(10, OR, "?A", [1, 2], ("alarm", [2]), ("alarm", [2]), "alarm"),
    *_each(11, OR, "O?", [1, 2], "id", ("id", [2]), ("id", [2])),
    *_each(12, OR, "OO", [1, 2], ("ok", [1, 2]), "ok", ("ok", [1, 2])),
    *_each(13, OR, "↑O", [1, 2], ("alarm", [1]), "ok", ("ok", [1, 2])),
    *_each(14, OR, "??", [1, 2], "id", ("id", [1, 2]), ("id", [1, 2])),
    Row("C15", NESTED, "AOA", [1, 2, 3], "ok", False, "alarm", [1, 3]),
    Row("C16", NESTED, "OAA", [1], "alarm", False, "ok", [1]),
    Row("C17", NESTED, "AO?", [1, 2, 3], "ok", False, "id", [3]),
    Row("C18", NESTED, "A↑O", [1, 2, 3], "alarm", False, "ok", [2, 3]),
    Row("C19", AND, "↑A", [1, 2], "ok", True, "ok", [1]),
    Row("C20", OR, "OO", [1, 2], "ok", True, "ok", [1, 2]),
    Row("C21", AND, "AA", [1, 2], "alarm", True, "alarm", [1, 2]),
    Row("C22", AND, "A?", [1, 2], "id", True, "id", None),
    Row("C23", "a", "A", [1], "ok", False, "alarm", [1]),
    Row("C24", OR, "AA", [1], "ok", False, "alarm", [1]),
    Row("C25", {"or": [{"and": "ab"}, "c"]}, "AOA", [1, 2, 3], "ok", False, "alarm", [1, 3]),
    Row(
        "C26", {"or": [{"and": "ab"}, {"and": "cd"}]}, "OAOA", [1, 3], "alarm", False, "ok", [1, 3]
    ),
    Row("C27", AND, "↑↑", [1, 2], "id", False, "alarm", [1, 2]),
    Row("C28", AND, "↑?", [1, 2], "ok", False, "ok", None),
    Row("C29", OR, "↓?", [1, 2], "ok", False, "alarm", [1]),
    Row("C30", AND, "↓↓", [1, 2], "ok", False, "alarm", [1, 2]),
    Row("C31", OR, "??", [1, 2], "id", True, "id", None),
]
WORDS = {
    "alarm": "outside their threshold.",
    "ok": "inside their threshold.",
    "id": "state evaluated to unknown.",
}


def sub_rule(name: str) -> dict[str, Any]:
    return {
        "type": "gnocchi_resources_threshold", "metric": name, "resource_id": "r",
        "aggregation_method": "mean", "threshold": 80.0, "comparison_operator": "gt",
        "evaluation_periods": 2,
    }  # fmt: skip


def document(form: Any) -> dict[str, Any]:
    if isinstance(form, str):
        return sub_rule(form)
    [(operator, parts)] = form.items()
    return {operator: [document(part) for part in parts]}


def made(form: Any) -> CompositeRule:
    rule = parse_rule("composite", document(form))
    assert isinstance(rule, CompositeRule)
    return rule


def looks(series: list[list[float]]) -> rules.Looks:
    """One alarm's parts."""
    found = [rules.look(one, "gt", 80.0, 2) for one in series]
    return rules.Looks(
        np.array([one.periods for one in found]),
        np.array([one.outside for one in found]),
        np.array([one.heading for one in found]),
        np.array([one.last for one in found]),
        np.array([not one.problem for one in found]),
    )


def settle(form: Any, alarms: list[tuple[str, str]], memory: list[str] | None = None) -> Settled:
    """`alarms` are (windows, previous state); `memory` has a sign a part: o, a, i or -."""
    seen = [looks([SERIES[sign] for sign in signs]) for signs, _ in alarms]
    columns = [np.stack(column) for column in zip(*seen, strict=True)]
    windows = composites.windows(rules.Looks(*columns))
    previous = np.array([composites.code_of(STATES[state]) for _, state in alarms], dtype=np.int8)
    signs = {"o": OK, "a": ALARM, "i": UNKNOWN, "-": NONE}
    kept = memory or ["-" * len(alarms[0][0])] * len(alarms)
    codes = np.array([[signs[sign] for sign in one] for one in kept], dtype=np.int8)
    return composites.settle(made(form), windows, previous, codes)


def check(row: Row, settled: Settled, place: int) -> None:
    rule = made(row.form)
    verdict = composites.verdict(STATES[row.previous], row.repeat, rule, settled, place)
    assert (np.flatnonzero(settled.asked[place]) + 1).tolist() == row.asked
    if row.causes is None:
        assert verdict is None
        return
    assert verdict is not None
    names = [f"rule{number}" for number in row.causes]
    how = "remaining as" if row.new == row.previous else "transition to"
    assert verdict.reason == (
        f"Composite rule alarm with composition form: {rule.form} {how} {STATES[row.new]}, "
        f"due to rules: {', '.join(names)} {WORDS[row.new]}"
    )
    assert (verdict.state, verdict.changed) == (STATES[row.new], row.new != row.previous)
    letters = [chr(ord("a") + number - 1) for number in row.causes]
    assert verdict.reason_data == {
        "type": "composite",
        "composition_form": rule.form,
        "causative_rules": {
            name: {**sub_rule(letter), "granularity": 60, "resource_type": "generic"}
            for name, letter in zip(names, letters, strict=True)
        },
    }


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_the_truth_table_of_composite_alarms(row: Row) -> None:
    check(row, settle(row.form, [(row.windows, row.previous)]), 0)


@pytest.mark.parametrize("form", [AND, OR, NESTED], ids=["and", "or", "nested"])
def test_the_truth_table_in_one_evaluation_for_each_form(form: Any) -> None:
    chosen = [row for row in TABLE if row.form == form]
    settled = settle(form, [(row.windows, row.previous) for row in chosen])
    for place, row in enumerate(chosen):
        check(row, settled, place)


def test_the_first_row_in_full() -> None:
    settled = settle(AND, [("AA", "id")])
    verdict = composites.verdict(ID, False, made(AND), settled, 0)
    assert verdict is not None
    assert verdict.reason == (
        "Composite rule alarm with composition form: (rule1 and rule2) transition to alarm, "
        "due to rules: rule1, rule2 outside their threshold."
    )


def test_names_are_sorted_as_text() -> None:
    form = {"and": "abcdefghijk"}
    settled = settle(form, [("A" * 11, "ok")])
    verdict = composites.verdict("ok", False, made(form), settled, 0)
    assert verdict is not None
    assert "due to rules: rule1, rule10, rule11, rule2, rule3" in verdict.reason


class TestMemory:
    """The two cases of 2.4 in which aodh's guess is wrong."""

    def test_a_part_that_was_fine_does_not_raise_the_alarm_on_its_way_down(self) -> None:
        assert settle(AND, [("↓A", "ok")], ["oa"]).states.tolist() == [OK]

    def test_a_part_that_was_in_alarm_does_not_drop_it_on_its_way_up(self) -> None:
        assert settle(AND, [("↑A", "alarm")], ["aa"]).states.tolist() == [ALARM]

    def test_a_part_without_memory_is_guessed_as_aodh_does(self) -> None:
        assert settle(AND, [("↓A", "ok")], ["-a"]).states.tolist() == [ALARM]
        assert settle(AND, [("↓A", "ok")], ["ia"]).states.tolist() == [ALARM]

    def test_an_alarm_without_data_follows_the_trend(self) -> None:
        assert settle(AND, [("↑A", "id")], ["oa"]).states.tolist() == [ALARM]

    def test_what_is_remembered_is_the_state_that_a_threshold_alarm_would_have(self) -> None:
        seen = composites.windows(looks([SERIES[sign] for sign in "AO?↑↓↑↓↑"]))
        memory = np.array([NONE, ALARM, OK, OK, ALARM, UNKNOWN, UNKNOWN, NONE], dtype=np.int8)
        kept = [ALARM, OK, UNKNOWN, OK, ALARM, ALARM, OK, NONE]
        assert composites.remembered(seen, memory).tolist() == kept


# --- an oracle: aodh's way, a part at a time --------------------------------------------------

FIRM = {"A": "alarm", "O": "ok", "?": "id"}


def plain(form: Any, signs: str, previous: str) -> tuple[str, list[int]]:
    """(the new state, the numbers of the parts asked)."""
    asked: dict[int, str] = {}
    guessed: dict[int, str] = {}
    letters = iter(range(len(signs)))

    def numbered(node: Any) -> Any:
        if isinstance(node, str):
            return next(letters)
        [(operator, parts)] = node.items()
        return operator, [numbered(part) for part in parts]

    def holds(node: Any, wanted: str) -> bool:
        if isinstance(node, int):
            asked[node] = signs[node]
            return guessed.get(node, FIRM.get(signs[node])) == wanted
        operator, parts = node
        results = (holds(part, wanted) for part in parts)
        return all(results) if (operator == "and") == (wanted == "alarm") else any(results)

    tree = numbered(form)
    for wanted in ("alarm", "ok"):
        if holds(tree, wanted):
            return wanted, sorted(asked)
    for number, sign in enumerate(signs):
        asked[number] = sign
        if sign in "↑↓":
            follows = (sign == "↑") == (previous == "id")
            guessed[number] = "alarm" if follows else "ok"
    for wanted in ("alarm", "ok"):
        if holds(tree, wanted):
            return wanted, sorted(asked)
    return "id", sorted(asked)


def _count(form: Any) -> int:
    return 1 if isinstance(form, str) else sum(map(_count, next(iter(form.values()))))


forms = st.recursive(
    st.just("a"),
    lambda inner: st.builds(
        lambda operator, parts: {operator: parts},
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)


@given(forms, st.data())
def test_random_rules_are_decided_as_aodh_decides_them(form: Any, data: st.DataObject) -> None:
    size = _count(form)
    signs = st.text("AO↑↓?", min_size=size, max_size=size)
    alarms = data.draw(
        st.lists(st.tuples(signs, st.sampled_from(["id", "ok", "alarm"])), min_size=1, max_size=12)
    )
    together = settle(form, alarms)
    for place, (windows, previous) in enumerate(alarms):
        state, asked = plain(form, windows, previous)
        assert together.states[place] == composites.code_of(STATES[state])
        assert np.flatnonzero(together.asked[place]).tolist() == asked
        alone = settle(form, [(windows, previous)])
        assert alone.parts[0].tolist() == together.parts[place].tolist()
