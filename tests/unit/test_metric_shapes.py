"""The JSON of measures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.metric_api.shapes import measures_json, measures_text

TIMES = np.array([0, 300_000_000, 1_700_000_000_250_000], dtype=np.int64)
VALUES = np.array([1.0, -0.1, 1234567.125])


@pytest.mark.parametrize("granularity", [300.0, 0.5, "M"])
def test_text_is_what_json_makes_of_the_rows(granularity: float | str) -> None:
    parts = [(TIMES, granularity, VALUES), (TIMES[:1], 60.0, np.array([1 / 3]))]
    rows = [row for part in parts for row in measures_json(*part)]
    assert measures_text(parts).decode() == json.dumps(rows)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_every_value_is_exact(values: list[float]) -> None:
    moments = np.arange(len(values), dtype=np.int64)
    told = json.loads(measures_text([(moments, 1.0, np.array(values))]))
    assert [repr(value) for _, _, value in told] == [repr(value) for value in values]


def test_no_points_are_an_empty_list() -> None:
    assert measures_text([]) == b"[]"
    assert measures_text([(TIMES[:0], 300.0, VALUES[:0])]) == b"[]"
