"""Searching values: what a condition finds, and what is none."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.operations.errors import OperationsError
from meters.operations.values import MAX_DEPTH, MAX_TERMS, parse_condition

VALUES = np.array([-2.0, 0.0, 1.0, 4.0, 4.5, 5.0, 9.0])


def found(search: Any) -> list[float]:
    values: list[float] = VALUES[parse_condition(search)(VALUES)].tolist()
    return values


@pytest.mark.parametrize(
    ("search", "wanted"),
    [
        ({">": 5}, [9.0]),
        ({"=": 4}, [4.0]),
        ({"≥": 5}, [5.0, 9.0]),
        ({"ne": 4}, [-2.0, 0.0, 1.0, 4.5, 5.0, 9.0]),
        ({"<": [{"*": 2}, 9]}, [-2.0, 0.0, 1.0, 4.0]),
        ({"lt": [9, {"×": 2}]}, [5.0, 9.0]),
        ({"==": [{"%": 3}, {"-": 3}]}, [4.0, 4.5, 5.0]),
        ({"<=": [{"/": [18, {"+": 0}]}, 4]}, [-2.0, 4.5, 5.0, 9.0]),
        ({"=": [{"**": 2}, {"+": [{"*": 3}, 4]}]}, [4.0]),
        ({"and": [{">": 0}, {"<=": 4}]}, [1.0, 4.0]),
        ({"∧": [{"≥": 1000}]}, []),
        ({"or": [{"<": 0}, {"and": [{">": 1}, {"<": 4.5}]}, {"eq": 9}]}, [-2.0, 4.0, 9.0]),
        ({"∨": [{"<": 0}]}, [-2.0]),
        ({"<": [1, 2]}, VALUES.tolist()),
        ({"=": [{"pow": 0.5}, 2]}, [4.0]),
        ({"=": [{"mod": 0}, 0]}, []),
        ({"=": [{">": 4}, 1]}, [4.5, 5.0, 9.0]),
    ],
)  # fmt: skip
def test_what_a_condition_finds(search: Any, wanted: list[float]) -> None:
    assert found(search) == wanted


def test_no_values_hold_none_that_fulfils_it() -> None:
    fulfilled = parse_condition({"or": [{">": 5}, {"<": [1, 2]}]})
    assert fulfilled(np.empty(0)).tolist() == []


@pytest.mark.parametrize(
    ("search", "reason", "detail"),
    [
        (None, 'expected an object with one operator, like {">": 5}', []),
        ({}, 'expected an object with one operator, like {">": 5}', []),
        ({">": 1, "<": 2}, 'expected an object with one operator, like {">": 5}', []),
        ({"~": 1}, "\"~\" is neither a comparison nor 'and' nor 'or'", []),
        ({"+": 1}, "\"+\" is neither a comparison nor 'and' nor 'or'", []),
        ({"not": {">": 1}}, "\"not\" is neither a comparison nor 'and' nor 'or'", []),
        ({"and": {">": 1}}, "expected a list of conditions @ data['and']", ["and"]),
        ({"or": []}, "expected a list of conditions @ data['or']", ["or"]),
        ({">": "5"}, "expected a number, got \"5\" @ data['>']", [">"]),
        ({">": True}, "expected a number, got true @ data['>']", [">"]),
        ({">": float("inf")}, "expected a number, got Infinity @ data['>']", [">"]),
        ({">": {"*": 2}}, "expected a number, got a dict @ data['>']", [">"]),
        ({">": [1]}, "expected a number or two operands, got 1 @ data['>']", [">"]),
        ({">": [1, None]}, "expected a number, got null @ data['>'][1]", [">", "1"]),
        ({"and": [{">": 1}, {"<": [{"abs": 1}, 2]}]},
         "\"abs\" is neither arithmetic nor a comparison @ data['and'][1]['<'][0]",
         ["and", "1", "<", "0"]),
        ({"or": [{"and": [5]}]},
         "expected an object with one operator, like {\">\": 5} @ data['or'][0]['and'][0]",
         ["or", "0", "and", "0"]),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_with_the_place(
    search: Any, reason: str, detail: list[str]
) -> None:
    with pytest.raises(OperationsError) as caught:
        parse_condition(search)
    error = caught.value
    assert (error.cause, error.reason, error.detail) == ("Invalid input", reason, detail)


def test_too_many_terms_or_too_deep_ones_are_refused() -> None:
    assert parse_condition({"or": [{">": 1}] * (MAX_TERMS - 1)})
    limit = f"expected at most {MAX_TERMS} terms, nested at most {MAX_DEPTH} deep"
    with pytest.raises(OperationsError, match=limit):
        parse_condition({"or": [{">": 1}] * MAX_TERMS})
    deep: dict[str, Any] = {">": 1}
    for _ in range(10_000):
        deep = {"and": [deep]}
    with pytest.raises(OperationsError, match=limit):
        parse_condition(deep)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([">", "=", "and", "or", "+", "/", "**", "abs", "x"]), inner, max_size=2
        )
    ),
    max_leaves=15,
)


@given(JSON)
def test_whatever_comes_it_is_a_condition_or_the_one_error(search: object) -> None:
    with contextlib.suppress(OperationsError):
        fulfilled = parse_condition(search)(VALUES)
        assert fulfilled.dtype == np.bool_
        assert fulfilled.shape == VALUES.shape
