"""The runs of ids by which the head's block range index is asked."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meters.store.read import GAP, MOST_RUNS, runs_of

ids = st.lists(st.integers(1, 10**9), min_size=1, max_size=60, unique=True)


@given(ids)
def test_every_series_lies_in_a_run_and_runs_are_few(series: list[int]) -> None:
    runs = np.column_stack(runs_of(np.array(series, dtype=np.int64)))

    assert len(runs) <= MOST_RUNS
    assert np.all(runs[:, 0] <= runs[:, 1])
    assert np.all(runs[1:, 0] > runs[:-1, 1])
    for one in series:
        assert np.any((runs[:, 0] <= one) & (one <= runs[:, 1]))


def test_only_wide_gaps_part_runs() -> None:
    assert runs_of(np.array([5, 1, 6 + GAP, 8 + GAP])) == ([1, 6 + GAP], [5, 8 + GAP])
