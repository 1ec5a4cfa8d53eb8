"""What an alarm's plot shows: ranges, bands of the states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alarms.choices import State, Type
from alarms.definition import SeriesRule, parse_series_rule
from alarms.evaluator.walking import Plan
from alarms.preview import MAX_STEPS, Step
from alarms.ui.plotting import bands, ranges, usual_range
from alarms.ui.previewing import span
from tests.support.alarms import threshold

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def rule(granularity: int = 60, periods: int = 1) -> SeriesRule:
    fields = threshold(granularity=granularity, evaluation_periods=periods)
    return parse_series_rule(Type.RESOURCE_THRESHOLD, fields)


@pytest.mark.parametrize(
    ("granularity", "series", "longest"),
    [(1, 1, "24h"), (10, 1, "7d"), (60, 1, "30d"), (60, 1000, "24h"), (1, 10**6, "1h")],
)
def test_no_range_is_offered_that_would_be_too_much_at_once(
    granularity: int, series: int, longest: str
) -> None:
    assert ranges(rule(granularity), series)[-1] == longest


@pytest.mark.parametrize(
    ("granularity", "periods", "usual"),
    [(1, 1, "1h"), (60, 1, "1h"), (60, 100, "6h"), (300, 1, "6h"), (3600, 1, "7d"),
     (86400, 1, "30d"), (31_536_000, 100, "30d")],
)  # fmt: skip
def test_the_usual_range_shows_the_whole_window_where_it_can(
    granularity: int, periods: int, usual: str
) -> None:
    assert usual_range(rule(granularity, periods)) == usual


@pytest.mark.parametrize("granularity", [1, 7, 60, 3600, 86400, 31_536_000])
def test_a_preview_never_asks_for_more_steps_than_are_allowed(granularity: int) -> None:
    plan = Plan(Type.RESOURCE_THRESHOLD, rule(granularity))
    every = timedelta(seconds=plan.every_s)
    assert timedelta(hours=6) <= span(plan) <= every * MAX_STEPS


def test_bands_join_equal_neighbours_and_stay_in_the_range() -> None:
    steps = [
        Step(START - MINUTE, State.OK), Step(START + MINUTE, State.OK),
        Step(START + 2 * MINUTE, State.ALARM), Step(START + 3 * MINUTE, State.OK),
    ]  # fmt: skip
    began = START.timestamp()
    assert bands(steps, START, START + 5 * MINUTE) == [
        {"from": began, "to": began + 120, "state": "ok"},
        {"from": began + 120, "to": began + 180, "state": "alarm"},
        {"from": began + 180, "to": began + 300, "state": "ok"},
    ]
    assert bands([], START, START + MINUTE) == []
