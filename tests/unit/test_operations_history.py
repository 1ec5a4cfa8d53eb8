"""Aggregates shared out over revisions: the worked example of the metric API, and the sum kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.aggregation import combine
from meters.operations.history import in_force
from meters.store.points import Points

SECOND = 1_000_000
HOUR = 3600 * SECOND


def test_the_worked_example_of_a_flavor_that_changes_within_an_hour() -> None:
    changed = 2 * HOUR + 494_490_222
    times = np.array([HOUR, 2 * HOUR, HOUR, 2 * HOUR])
    points = Points(np.array([0, 0, 1, 1]), times, np.array([10.0, 20.0, 10.0, 20.0]))
    shared = in_force(points, HOUR, [0, changed], [changed, 9 * HOUR])
    assert shared.index.tolist() == [0, 0, 1]
    assert shared.timestamps.tolist() == [HOUR, 2 * HOUR, 2 * HOUR]
    assert shared.values.tolist() == pytest.approx([10.0, 2.7471679, 17.2528321], abs=5e-8)


def test_a_revision_that_only_touches_a_bucket_has_no_share_of_it() -> None:
    points = Points(np.zeros(3, dtype=np.int64), np.array([0, HOUR, 2 * HOUR]), np.ones(3))
    shared = in_force(points, HOUR, [HOUR], [2 * HOUR])
    assert (shared.timestamps.tolist(), shared.values.tolist()) == ([HOUR], [1.0])


@given(
    st.dictionaries(st.integers(0, 9), st.floats(-1e9, 1e9), min_size=1),
    st.lists(st.integers(1, 10 * HOUR - 1), max_size=4, unique=True),
)
def test_the_shares_of_consecutive_revisions_add_up_to_the_value(
    hours: dict[int, float], changes: list[int]
) -> None:
    edges = [0, *sorted(changes), 10 * HOUR]
    count = len(edges) - 1
    times = np.array(sorted(hours), dtype=np.int64) * HOUR
    values = np.array([hours[hour] for hour in sorted(hours)])
    index = np.repeat(np.arange(count), len(times))
    points = Points(index, np.tile(times, count), np.tile(values, count))
    total = combine(in_force(points, HOUR, edges[:-1], edges[1:]), "sum")
    assert total.timestamps.tolist() == times.tolist()
    assert total.values.tolist() == pytest.approx(values.tolist(), rel=1e-9, abs=1e-9)
