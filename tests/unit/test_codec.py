"""A chunk's columns come back bit for bit, whichever form they took."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from meters.store import codec

MINUTE_US = 60_000_000
FIRST_US = 1_700_000_000_000_000

floats = st.floats(allow_nan=False, allow_infinity=False)
decimals = st.builds(
    lambda whole, digits: whole / 10.0**digits, st.integers(-(10**9), 10**9), st.integers(0, 5)
)
some = st.one_of(st.lists(one, min_size=1, max_size=60) for one in (floats, decimals))
gaps = st.lists(st.integers(1, 10 * MINUTE_US), max_size=60)


def through(times: np.ndarray, values: np.ndarray, thorough: bool) -> tuple[np.ndarray, np.ndarray]:
    packed_times, packed_values = codec.pack(times, values, thorough)
    found = np.empty(len(times), dtype=np.int64), np.empty(len(values))
    codec.unpack_times(packed_times, found[0])
    codec.unpack_values(packed_values, found[1])
    return found


@given(some, st.booleans())
def test_values_come_back_bit_for_bit(values: list[float], thorough: bool) -> None:
    given_values = np.array(values)
    times = FIRST_US + np.arange(len(values)) * MINUTE_US

    _, found = through(times, given_values, thorough)

    assert np.array_equal(found.view(np.int64), given_values.view(np.int64))


@given(st.integers(0, 2**62), gaps, st.sampled_from([1, 1000]), st.booleans())
def test_timestamps_come_back(first: int, steps: list[int], unit: int, thorough: bool) -> None:
    times = first // unit * unit + np.cumsum([0, *steps], dtype=np.int64) * unit

    found, _ = through(times, np.zeros(len(times)), thorough)

    assert np.array_equal(found, times)


@given(arrays.arrays(np.float64, st.integers(16, 60), elements=st.sampled_from([0.0, -0.0, 1.0])))
def test_a_negative_zero_stays_one(values: np.ndarray) -> None:
    _, found = through(FIRST_US + np.arange(len(values)), values, thorough=True)

    assert np.array_equal(np.signbit(found), np.signbit(values))


def polled(rng: np.random.Generator, lost: int) -> np.ndarray:
    """A day of polls that come up to 40 ms late, some lost."""
    grid = FIRST_US + np.arange(1440) * MINUTE_US + rng.integers(0, 40, 1440) * 1000
    return np.delete(grid, rng.choice(1440, lost, replace=False))


@pytest.mark.parametrize(("lost", "most"), [(0, 0.75), (3, 1.0)])
def test_polled_timestamps_take_little_room(lost: int, most: float) -> None:
    times = polled(np.random.default_rng(1), lost)

    packed, _ = codec.pack(times, np.zeros(len(times)), thorough=True)

    assert len(packed) / len(times) < most


def test_percentages_take_less_than_as_they_are() -> None:
    values = np.round(np.random.default_rng(1).normal(50, 8, 1440), 2)
    times = FIRST_US + np.arange(1440) * MINUTE_US

    _, quick = codec.pack(times, values, thorough=False)
    _, thorough = codec.pack(times, values, thorough=True)

    assert thorough[0] == codec.DECIMAL
    assert len(thorough) < 0.97 * len(quick)
