"""Time constraints as lines of a form, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.definition.constraints import parse_constraints
from alarms.errors import DefinitionError
from alarms.ui.constraints import to_constraints, to_lines

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
CONSTRAINTS = st.fixed_dictionaries(
    {
        "name": WORDS,
        "start": st.sampled_from(["0 23 * * *", "@daily", "*/5 * * * mon"]),
        "duration": st.integers(0, 86_400),
    },
    optional={"description": WORDS, "timezone": st.sampled_from(["", "UTC", "Europe/Paris"])},
)


@given(st.lists(CONSTRAINTS, max_size=3, unique_by=lambda one: one["name"]))
def test_what_is_stored_comes_back(given: list[dict[str, Any]]) -> None:
    stored = [one.described() for one in parse_constraints(given)]
    again = [one.described() for one in parse_constraints(to_constraints(to_lines(stored)))]
    assert again == stored


def test_what_lines_cannot_say_is_json() -> None:
    [stored] = parse_constraints([{"name": "a;b", "start": "@daily", "duration": 1}])
    text = to_lines([stored.described()])
    assert json.loads(text) == [{"name": "a;b", "start": "@daily", "duration": 1}]


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(DefinitionError):
        to_constraints('[{"name": "\\ud800", "start": "@daily", "duration": 1}]')
