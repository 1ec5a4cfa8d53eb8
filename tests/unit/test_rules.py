"""The truth table of the threshold family (alarms.md 7.4), and: many at once as one by one."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms import rules
from alarms.choices import State

ID = State.INSUFFICIENT_DATA.value
QUIET = None
TEXT = {"id": ID, "ok": "ok", "alarm": "alarm"}


def t(state: str, count: int, disposition: str, recent: Any) -> str:
    return (
        f"Transition to {TEXT[state]} due to {count} samples {disposition} threshold, "
        f"most recent: {recent}"
    )


def r(state: str, count: int, disposition: str, recent: Any) -> str:
    return t(state, count, disposition, recent).replace("Transition to", "Remaining as")


UNKNOWN = "3 datapoints are unknown"
NONE = "No datapoint for granularity 60"
#: number, (comparison, threshold, periods), previous, repeat, series, new, reason, data
GT = ("gt", 80, 3)
IN, OUT = "inside", "outside"
TABLE: list[tuple[Any, ...]] = [
    (1, GT, "id", 0, [90, 91, 92], "alarm", t("alarm", 3, OUT, 92), "outside/3/92"),
    (2, GT, "id", 0, [10, 11, 12], "ok", t("ok", 3, IN, 12), "inside/3/12"),
    (3, GT, "id", 0, [10, 90, 91], "alarm", t("alarm", 2, OUT, 91), "outside/2/91"),
    (4, GT, "id", 0, [90, 91, 10], "ok", t("ok", 1, IN, 10), "inside/1/10"),
    (5, GT, "id", 0, [90, 91], "id", QUIET, ""),
    (6, GT, "id", 0, [], "id", QUIET, ""),
    (11, GT, "id", 1, [90, 91], "id", r("id", 0, OUT, 91), "outside/0/91"),
    (12, GT, "id", 1, [], "id", r("id", 0, OUT, None), "outside/0/None"),
    (13, GT, "ok", 0, [90, 91, 92], "alarm", t("alarm", 3, OUT, 92), "outside/3/92"),
    (14, GT, "ok", 0, [10, 11, 12], "ok", QUIET, ""),
    (15, GT, "ok", 0, [10, 90, 91], "ok", QUIET, ""),
    (16, GT, "ok", 0, [90, 91, 10], "ok", QUIET, ""),
    (17, GT, "ok", 0, [90, 91], "id", UNKNOWN, "unknown/3/91"),
    (18, GT, "ok", 0, [], "id", NONE, "unknown/3/None"),
    (19, GT, "ok", 1, [90, 91], "id", UNKNOWN, "unknown/3/91"),
    (20, GT, "ok", 1, [10, 11, 12], "ok", r("ok", 3, IN, 12), "inside/3/12"),
    (21, GT, "ok", 1, [10, 90, 91], "ok", r("ok", 1, IN, 91), "inside/1/91"),
    (22, GT, "ok", 1, [90, 91, 10], "ok", r("ok", 1, IN, 10), "inside/1/10"),
    (25, GT, "alarm", 0, [90, 91, 92], "alarm", QUIET, ""),
    (26, GT, "alarm", 0, [10, 11, 12], "ok", t("ok", 3, IN, 12), "inside/3/12"),
    (27, GT, "alarm", 0, [10, 90, 91], "alarm", QUIET, ""),
    (28, GT, "alarm", 0, [90, 91, 10], "alarm", QUIET, ""),
    (29, GT, "alarm", 0, [90, 91], "id", UNKNOWN, "unknown/3/91"),
    (30, GT, "alarm", 0, [], "id", NONE, "unknown/3/None"),
    (31, GT, "alarm", 1, [90, 91, 92], "alarm", r("alarm", 3, OUT, 92), "outside/3/92"),
    (33, GT, "alarm", 1, [10, 90, 91], "alarm", r("alarm", 2, OUT, 91), "outside/2/91"),
    (34, GT, "alarm", 1, [90, 91, 10], "alarm", r("alarm", 2, OUT, 10), "outside/2/10"),
    (37, ("gt", 80, 1), "ok", 0, [10, 20, 95], "alarm", t("alarm", 1, OUT, 95), "outside/1/95"),
    (38, ("gt", 80, 1), "ok", 0, [95, 95, 20], "ok", QUIET, ""),
    (39, GT, "ok", 0, [10, 90, 91, 92], "alarm", t("alarm", 3, OUT, 92), "outside/3/92"),
    (40, ("gt", 80, 2), "id", 0, [80, 80], "ok", t("ok", 2, IN, 80), "inside/2/80"),
    (41, ("ge", 80, 2), "id", 0, [80, 80], "alarm", t("alarm", 2, OUT, 80), "outside/2/80"),
    (42, ("lt", 5, 2), "ok", 0, [1, 4.99], "alarm", t("alarm", 2, OUT, 4.99), "outside/2/4.99"),
    (43, ("le", 5, 2), "ok", 0, [5, 5.0], "alarm", t("alarm", 2, OUT, 5.0), "outside/2/5.0"),
    (44, ("eq", 0, 1), "ok", 0, [0.0], "alarm", t("alarm", 1, OUT, 0.0), "outside/1/0.0"),
    (45, ("ne", 0, 1), "ok", 0, [0.0], "ok", QUIET, ""),
    (46, ("eq", 0.3, 1), "ok", 0, [0.30000000000000004], "ok", QUIET, ""),
    (47, ("gt", 80, 2), "ok", 0, [nan, 90], "ok", QUIET, ""),
    (48, ("gt", 80, 2), "ok", 0, [nan, nan], "ok", QUIET, ""),
    (49, ("ne", 80, 2), "ok", 0, [nan, nan], "alarm", t("alarm", 2, OUT, nan), "outside/2/None"),
]  # fmt: skip


def seen(series: list[float], comparison: str, threshold: float, periods: int) -> rules.Look:
    if not series:
        return rules.Look(periods, problem=rules.no_datapoint(60))
    return rules.look(series, comparison, threshold, periods)


@pytest.mark.parametrize("row", TABLE, ids=[f"E{row[0]}" for row in TABLE])
def test_the_truth_table_of_the_threshold_family(row: tuple[Any, ...]) -> None:
    _, rule, previous, repeat, series, new, reason, data = row
    verdict = rules.decide(TEXT[previous], bool(repeat), seen(series, *rule))
    if reason is QUIET:
        assert verdict is None
        return
    assert verdict is not None
    assert (verdict.state, verdict.reason) == (TEXT[new], reason)
    assert verdict.changed == (new != previous)
    facts = verdict.reason_data
    assert f"{facts['disposition']}/{facts['count']}/{facts['most_recent']}" == data
    assert facts["type"] == "threshold"


@pytest.mark.parametrize(
    "problem",
    ["metric cpu for resource r does not exists", "alarm statistics retrieval failed: x"],
    ids=["E51", "E52"],
)
def test_what_cannot_be_had_is_the_reason(problem: str) -> None:
    verdict = rules.decide("ok", False, rules.Look(3, problem=problem))
    data = {"type": "threshold", "disposition": "unknown", "count": 3, "most_recent": None}
    assert verdict == (ID, True, problem, data)


class TestWindow:
    """Measured on the original (alarms.md 2.1); the floor of the start is the store's."""

    NOON = 1_764_072_000  # a whole hour

    @pytest.mark.parametrize(
        ("after_s", "granularity", "periods", "lag", "start_s"),
        [
            (30, 60, 3, 0, -240),
            (30, 300, 1, 0, -600),
            (30, 60, 1, 42, -180),
            (0, 60, 3, 0, -240),
        ],
    )
    def test_the_start_is_one_period_more_and_floored(
        self, after_s: int, granularity: int, periods: int, lag: int, start_s: int
    ) -> None:
        now = (self.NOON + after_s) * rules.SECOND
        found = rules.window(now, granularity, periods, lag)
        assert found == ((self.NOON + start_s) * rules.SECOND, now)


values = st.one_of(st.sampled_from([0.0, 79.0, 80.0, 81.0, nan, inf, -0.0]), st.floats())
windows = st.tuples(
    st.sampled_from(State.values),
    st.booleans(),
    st.sampled_from(sorted(rules.COMPARE)),
    st.lists(values, max_size=6),
    st.integers(1, 4),
)


@given(st.lists(windows, min_size=1, max_size=20))
def test_many_at_once_are_decided_as_one_by_one(alarms: list[tuple[Any, ...]]) -> None:
    looks = [seen(series, how, 80.0, periods) for _, _, how, series, periods in alarms]
    columns = rules.Looks(
        np.array([look.periods for look in looks]),
        np.array([look.outside for look in looks]),
        np.array([look.heading for look in looks]),
        np.array([nan if look.last is None else look.last for look in looks]),
        np.array([not look.problem for look in looks]),
    )
    states = np.array([alarm[0] for alarm in alarms])
    repeats = np.array([alarm[1] for alarm in alarms])
    one_by_one = [
        rules.decide(alarm[0], alarm[1], look) is not None
        for alarm, look in zip(alarms, looks, strict=True)
    ]
    assert rules.eventful(states, repeats, columns).tolist() == one_by_one
