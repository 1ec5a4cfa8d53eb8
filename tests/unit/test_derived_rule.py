"""Samples made of two others: figures worked by hand, and random series against a slow oracle."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.derived.rule import LONGEST_US, How, derive
from meters.store.points import Points

SECOND = 1_000_000
DAY_S = LONGEST_US // SECOND
#: 100.0 / 10**9 / 2: two processors.
CPU_UTIL = 5e-8


class Said(NamedTuple):
    """By the resource from a time (s) on."""

    since: float
    owner: int = 0
    scale: float = 1.0


def how(
    *said: Said, is_rate: bool = True, is_counter: bool = True, growth_only: bool = False,
    most: float | None = None,
) -> How:  # fmt: skip
    since, owners, scales = zip(*(said or (Said(0),)), strict=True)
    return How(
        is_rate, is_counter, growth_only, most,
        np.array([round(one * SECOND) for one in since], dtype=np.int64),
        np.array(owners, dtype=np.int64), np.array(scales, dtype=np.float64),
    )  # fmt: skip


def derived(
    samples: list[tuple[float, float]] | list[list[tuple[float, float]]], *hows: How
) -> list[tuple[int, float, float]]:
    """(series, seconds, value) of one series of (seconds, value), or of several."""
    each = samples if samples and isinstance(samples[0], list) else [samples]
    rows = [(place, *one) for place, some in enumerate(each) for one in some]
    index, times, values = zip(*rows, strict=True) if rows else ((), (), ())
    points = Points(
        np.array(index, dtype=np.int64),
        np.array([round(one * SECOND) for one in times], dtype=np.int64),
        np.array(values, dtype=np.float64),
    )
    made = derive(points, hows)
    seconds = (made.timestamps / SECOND).tolist()
    return list(zip(made.index.tolist(), seconds, made.values.tolist(), strict=True))


def test_a_rate_is_the_change_a_second_at_the_later_time() -> None:
    assert derived([(0, 100.0), (10, 150.0), (30, 250.0)], how()) == [(0, 10, 5.0), (0, 30, 5.0)]


def test_a_fall_of_a_counter_is_growth_from_nothing() -> None:
    samples = [(0, 100.0), (10, 150.0), (20, 20.0), (30, 60.0)]
    assert [value for *_, value in derived(samples, how())] == [5.0, 2.0, 4.0]
    assert [value for *_, value in derived(samples, how(is_counter=False))] == [5.0, -13.0, 4.0]


def test_cpu_util_is_of_all_processors_and_at_most_a_hundred() -> None:
    """60 s of the time of two processors in one minute is half of what there was."""
    samples = [(0, 0.0), (60, 60e9), (120, 300e9)]
    found = derived(samples, how(Said(0, scale=CPU_UTIL), most=100.0))
    assert [value for *_, value in found] == pytest.approx([50.0, 100.0])


def test_the_scale_is_that_of_the_later_sample() -> None:
    samples = [(0, 0.0), (10, 10.0), (20, 20.0), (30, 30.0)]
    said = how(Said(5, scale=2.0), Said(15, scale=4.0), Said(30, scale=math.nan))
    assert derived(samples, said) == [(0, 10, 2.0), (0, 20, 4.0)]


def test_a_difference_is_the_plain_change_and_may_leave_out_falls() -> None:
    samples = [(0, 5.0), (10, 9.0), (20, 4.0), (30, 4.0)]
    plain = how(is_rate=False)
    assert [value for *_, value in derived(samples, plain)] == [4.0, -5.0, 0.0]
    growth = how(is_rate=False, growth_only=True)
    assert [value for *_, value in derived(samples, growth)] == [4.0, 0.0]


def test_nothing_is_made_of_two_that_are_more_than_a_day_apart() -> None:
    samples = [(0, 0.0), (DAY_S, 1.0), (2 * DAY_S + 0.000001, 2.0), (2 * DAY_S + 10, 3.0)]
    assert [seconds for _, seconds, _ in derived(samples, how())] == [DAY_S, 2 * DAY_S + 10]


def test_nothing_is_made_of_two_owners_samples() -> None:
    samples = [(0, 0.0), (10, 1.0), (20, 2.0), (30, 3.0)]
    said = how(Said(0, 0), Said(5, 0, 2.0), Said(15, 1), Said(25, 1))
    assert derived(samples, said) == [(0, 10, 0.2), (0, 30, 0.1)]


def test_series_have_nothing_to_do_with_each_other() -> None:
    each = [[(0, 0.0), (10, 10.0)], [], [(5, 7.0)], [(0, 1.0), (1, 4.0)]]
    hows = (how(), how(), how(), how(is_rate=False))
    assert derived(each, *hows) == [(0, 10, 1.0), (3, 1, 3.0)]


def test_what_is_no_finite_number_is_left_out() -> None:
    samples = [(0, -1.7e308), (1, 1.7e308), (1.000001, 1.7e308), (2, 1e308)]
    assert derived(samples, how(Said(0, scale=1e300), is_counter=False)) == [(0, 1.000001, 0.0)]
    assert derived([], how()) == []


# --- the oracle --------------------------------------------------------------------------------


def oracle(samples: list[tuple[int, float]], one: How) -> list[tuple[int, float]]:
    """As the transformers go: a sample at a time, the one before it in memory."""
    found: list[tuple[int, float]] = []
    before: tuple[int, float, int] | None = None
    for time, value in samples:
        at = 0
        for place, since in enumerate(one.since.tolist()):
            if since <= time:
                at = place
        owner, scale = int(one.owners[at]), float(one.scales[at])
        last, before = before, (time, value, owner)
        if last is None or time - last[0] > LONGEST_US or last[2] != owner:
            continue
        change = value - last[1]
        if one.is_rate and one.is_counter and change < 0:
            change = value
        if one.growth_only and change < 0:
            continue
        made = change
        if one.is_rate:
            made = change / ((time - last[0]) / 1e6) * scale
            if one.most is not None:
                made = min(made, one.most)
        if math.isfinite(made):
            found.append((time, made))
    return found


numbers = st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0, 5e8])


@st.composite
def hows_(draw: st.DrawFn) -> How:
    since = sorted(draw(st.lists(st.integers(0, 40), min_size=1, max_size=4, unique=True)))
    said = [
        Said(one * 7_200, draw(st.integers(0, 1)), draw(st.sampled_from([1.0, 0.5, math.nan])))
        for one in since
    ]
    return how(
        *said, is_rate=draw(st.booleans()), is_counter=draw(st.booleans()),
        growth_only=draw(st.booleans()), most=draw(st.sampled_from([None, 100.0])),
    )  # fmt: skip


series_ = st.dictionaries(
    st.integers(0, 40).map(lambda slot: slot * 7_200) | st.integers(0, 400_000), numbers, max_size=9
).map(lambda found: sorted(found.items()))


@given(st.lists(st.tuples(series_, hows_()), max_size=4))
def test_it_makes_what_the_oracle_makes(each: list[tuple[list[tuple[int, float]], How]]) -> None:
    rows = [(place, time * SECOND, value) for place, (some, _) in enumerate(each)
            for time, value in some]  # fmt: skip
    index, times, values = zip(*rows, strict=True) if rows else ((), (), ())
    points = Points(np.array(index, np.int64), np.array(times, np.int64), np.array(values))
    made = derive(points, [one for _, one in each])
    found = zip(made.index.tolist(), made.timestamps.tolist(), made.values.tolist(), strict=True)
    wanted = [
        (place, time, value)
        for place, (some, one) in enumerate(each)
        for time, value in oracle([(time * SECOND, value) for time, value in some], one)
    ]
    assert list(found) == [
        (place, time, pytest.approx(value, rel=1e-12, abs=1e-12)) for place, time, value in wanted
    ]
