"""What a definition of an archive policy means, and which aggregation methods one has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.aggregation import every_method
from meters.archive_policies import (
    DEFAULT_METHODS,
    Item,
    PolicyError,
    define,
    is_method_entry,
    policy_json,
    redefine,
    resolve_methods,
)
from meters.default_policies import POLICIES
from meters.models import ArchivePolicy

S = 1_000_000
MINUTE, HOUR, DAY = 60 * S, 3600 * S, 86_400 * S
SPANS = st.integers(1, 10**15)


def told(item: Item) -> tuple[str, int | None, str | None]:
    """Granularity, points and timespan as a client reads them."""
    policy = ArchivePolicy(name="x", definition=define([item]), aggregation_methods=[])
    (line,) = policy_json(policy)["definition"]
    return line["granularity"], line["points"], line["timespan"]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Item(S, 20), ("0:00:01", 20, "0:00:20")),
        (Item(HOUR, timespan_us=DAY), ("1:00:00", 24, "1 day, 0:00:00")),
        (Item(7 * S, timespan_us=HOUR), ("0:00:07", 514, "0:59:58")),
        (Item(points=1000, timespan_us=HOUR), ("0:00:03.600000", 1000, "1:00:00")),
        (Item(points=7, timespan_us=HOUR), ("0:08:34.285714", 7, "0:59:59.999998")),
        (Item(2 * S), ("0:00:02", None, None)),
        (Item(DAY), ("1 day, 0:00:00", None, None)),
        (Item(S, 60, MINUTE), ("0:00:01", 60, "0:01:00")),
        (Item(S, 31_536_000), ("0:00:01", 31_536_000, "365 days, 0:00:00")),
        (Item(S // 2, 1), ("0:00:00.500000", 1, "0:00:00.500000")),
    ],
)
def test_two_of_three_say_the_third(
    item: Item, expected: tuple[str, int | None, str | None]
) -> None:
    assert told(item) == expected


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([Item()], "At least two of granularity/points/timespan must be provided"),
        ([Item(points=5)], "At least two of granularity/points/timespan must be provided"),
        ([Item(timespan_us=5)], "At least two of granularity/points/timespan must be provided"),
        ([Item(S, 60, 61 * S)], "timespan ≠ granularity × points"),
        ([Item(2 * HOUR, timespan_us=HOUR)], "Calculated number of points is < 0"),
        ([Item(points=10, timespan_us=9)], "Timespan must be positive"),
        ([Item(S, 10**30)], "Timespan must be at most 10000000000.0 seconds"),
        ([Item(S, 60), Item(S)], "More than one archive policy uses granularity `1.0'"),
    ],
)
def test_a_definition_that_can_not_be_is_refused(items: list[Item], text: str) -> None:
    with pytest.raises(PolicyError) as refused:
        define(items)
    assert str(refused.value) == text


@given(SPANS, SPANS)
def test_points_are_those_that_fit_into_the_timespan(granularity_us: int, timespan_us: int) -> None:
    if granularity_us > timespan_us:
        with pytest.raises(PolicyError):
            define([Item(granularity_us, timespan_us=timespan_us)])
        return
    (line,) = define([Item(granularity_us, timespan_us=timespan_us)])
    points = line["points"]
    assert points is not None
    assert 0 <= timespan_us - granularity_us * points < granularity_us


@given(st.integers(1, 10**6), st.integers(10**6, 10**15))
def test_so_many_points_lie_within_the_timespan(points: int, timespan_us: int) -> None:
    (line,) = define([Item(points=points, timespan_us=timespan_us)])
    granularity_us = line["granularity"]
    assert granularity_us is not None
    assert 0 <= timespan_us - granularity_us * points < points


# --- changes -----------------------------------------------------------------------------------


def policy() -> ArchivePolicy:
    return ArchivePolicy(name="medium", definition=define([Item(S, 20), Item(2 * S)]))


def test_how_long_is_kept_may_change() -> None:
    changed = policy()
    redefine(changed, define([Item(2 * S, 5), Item(S, 50)]))
    assert changed.definition == [
        {"granularity": 2 * S, "points": 5},
        {"granularity": S, "points": 50},
    ]


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([Item(S, 50)], "Cannot add or drop granularities"),
        ([Item(S), Item(2 * S), Item(3 * S)], "Cannot add or drop granularities"),
        ([Item(5 * S, 20), Item(2 * S)], "1.0 granularity interval was changed"),
        ([Item(S), Item(3 * S)], "2.0 granularity interval was changed"),
    ],
)
def test_granularities_may_not(items: list[Item], reason: str) -> None:
    with pytest.raises(PolicyError) as refused:
        redefine(policy(), define(items))
    assert str(refused.value) == f"Archive policy medium does not support change: {reason}"


# --- methods -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], set(DEFAULT_METHODS)),
        (["mean"], {"mean"}),
        (["rate:mean", "rate:last", "rate:mean"], {"rate:mean", "rate:last"}),
        (["-mean"], set(DEFAULT_METHODS) - {"mean"}),
        (["+median", "-std"], set(DEFAULT_METHODS) - {"std"} | {"median"}),
        (["*"], set(every_method())),
        (["*", "-99pct"], set(every_method()) - {"99pct"}),
        (["*", "mean"], set(every_method())),
        (["mean", "+5pct"], {"mean", "5pct"}),
        (["-mean", "rate:mean"], {"rate:mean"}),
        (["-mean", "+mean"], set(DEFAULT_METHODS)),
        (["mean", "-mean"], set()),
    ],
)
def test_methods_are_named_added_and_taken_away(entries: list[str], expected: set[str]) -> None:
    found = resolve_methods(entries)
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("text", ["*", "mean", "-mean", "+rate:99pct", "1pct", "first"])
def test_what_may_stand_among_the_methods(text: str) -> None:
    assert is_method_entry(text)


@pytest.mark.parametrize(
    "text", ["", "wtf", "+", "-*", "++mean", "rate:rate:mean", "0pct", "rate:"]
)
def test_what_may_not(text: str) -> None:
    assert not is_method_entry(text)


def test_the_first_policies_are_what_they_promise() -> None:
    assert {
        name: [told(item)[1:] for item in items] for name, (_, items, _) in POLICIES.items()
    } == {
        "bool": [(31_536_000, "365 days, 0:00:00")],
        "low": [(8640, "30 days, 0:00:00")],
        "medium": [(10_080, "7 days, 0:00:00"), (8760, "365 days, 0:00:00")],
        "high": [
            (3600, "1:00:00"),
            (10_080, "7 days, 0:00:00"),
            (8760, "365 days, 0:00:00"),
        ],
        "telemetry": [(None, None)] * 3,
    }
