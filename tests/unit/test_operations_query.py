"""What stands beside the operations: fill, needed overlap, and the granularities in common."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.operations.errors import OperationsError
from meters.operations.query import (
    Fill,
    Query,
    common_granularities,
    parse_fill,
    parse_needed_overlap,
)
from meters.operations.tree import Reference

SECOND = 1_000_000
A, B = Reference("a", "mean"), Reference("b", "max")


@pytest.mark.parametrize(
    ("text", "fill"),
    [
        ("dropna", "dropna"), ("null", "null"), ("ffill", "ffill"), ("bfill", "bfill"),
        ("full_ffill", "full_ffill"), ("full_bfill", "full_bfill"), ("0", 0.0), ("-1.5e3", -1500.0),
    ],
)  # fmt: skip
def test_fills(text: str, fill: Fill) -> None:
    assert parse_fill(text) == fill


@pytest.mark.parametrize("text", ["", "foobar", "DROPNA", "nan", "inf", "-Infinity", "1,5"])
def test_other_fills_are_refused_in_the_known_words(text: str) -> None:
    with pytest.raises(OperationsError) as caught:
        parse_fill(text)
    error = caught.value
    assert (error.cause, error.detail) == ("Argument value error", "fill")
    assert error.reason == (
        "Must be a float, 'dropna', 'null', 'ffill', 'bfill', 'full_ffill' or 'full_bfill'"
    )
    assert str(error) == f"fill: {error.reason}"


def test_needed_overlap_is_a_number() -> None:
    assert (parse_needed_overlap("0"), parse_needed_overlap("99.5")) == (0.0, 99.5)
    for text in ("notnumber", "", "nan", "inf"):
        with pytest.raises(OperationsError) as caught:
            parse_needed_overlap(text)
        assert (caught.value.cause, caught.value.detail) == (
            "Argument value error",
            "needed_overlap",
        )
        assert caught.value.reason == "Must be a number"


@given(st.text())
def test_whatever_comes_it_is_a_finite_number_a_name_or_the_one_error(text: str) -> None:
    with contextlib.suppress(OperationsError):
        fill = parse_fill(text)
        assert isinstance(fill, str) or math.isfinite(fill)
    with contextlib.suppress(OperationsError):
        assert math.isfinite(parse_needed_overlap(text))


@pytest.mark.parametrize(
    ("query", "drops"),
    [
        (Query(), True),
        (Query(fill="dropna"), True),
        (Query(fill="dropna", needed_overlap=50), True),
        (Query(fill="full_bfill"), True),
        (Query(fill="null"), False),
        (Query(fill=0.0), False),
        (Query(needed_overlap=0), False),
    ],
)
def test_only_finite_values_are_given_out_unless_asked_for_otherwise(
    query: Query, drops: bool
) -> None:
    assert query.drops_missing is drops


def test_granularities_in_common_come_coarsest_first() -> None:
    offered = [(A, [SECOND, 60 * SECOND, 3600 * SECOND]), (B, [3600 * SECOND, SECOND])]
    assert common_granularities(offered) == [3600 * SECOND, SECOND]
    assert common_granularities([(A, [SECOND])]) == [SECOND]


def test_no_granularity_in_common_names_all_series() -> None:
    for offered in ([(A, [SECOND]), (B, [2 * SECOND])], [(A, []), (B, [SECOND])]):
        with pytest.raises(OperationsError) as caught:
            common_granularities(offered)
        assert caught.value.cause == "Metrics cannot be aggregated"
        assert caught.value.reason == "No granularity match"
        assert caught.value.detail == [["a", "mean"], ["b", "max"]]
    with pytest.raises(OperationsError, match="No granularity match"):
        common_granularities([])


def test_a_granularity_that_some_lack_names_those() -> None:
    offered = [(A, [SECOND, 60 * SECOND]), (B, [60 * SECOND])]
    assert common_granularities(offered, 60 * SECOND) == [60 * SECOND]
    with pytest.raises(OperationsError) as caught:
        common_granularities(offered, SECOND)
    assert caught.value.cause == "Metrics cannot be aggregated"
    assert caught.value.reason == "Granularities are missing"
    assert caught.value.detail == [["b", "max", 1.0]]
