"""Statistics of a meter: formulas, periods, groups, aggregates, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from meters.metering_api import reading, whole
from meters.metering_api.reading import read_blocks as blocks
from tests.api.alarming.people import fault_of
from tests.api.metering.people import ClassicClient, asked, measured, text
from tests.support.batches import resource

PATH = "/meters/cpu/statistics"
VM1, VM2 = resource("vm-1"), resource("vm-2", user_id="u9", metadata={"flavor": {"name": "m1"}})


@pytest.fixture(autouse=True)
def _six_samples() -> None:
    """1 2 4 8 16 32, one each 10 minutes, over a whole hour less ten minutes."""
    measured(*((VM1, "cpu", 2.0**n, 600 * n) for n in range(6)))


def test_all_samples_in_one_row(member: ClassicClient) -> None:
    (row,) = member.listed(PATH)
    assert row == {
        "groupby": None, "unit": "B", "min": 1.0, "max": 32.0, "avg": 10.5, "sum": 63.0, "count": 6,
        "duration": 3000.0, "duration_start": text(0), "duration_end": text(3000), "period": 0,
        "period_start": text(0), "period_end": text(3000),
    }  # fmt: skip


def test_periods_begin_at_the_first_sample_and_lose_none(member: ClassicClient) -> None:
    measured((VM1, "cpu", 64.0, 3600))
    rows = member.listed(PATH, period=1200)
    assert [row["count"] for row in rows] == [2, 2, 2, 1]
    assert [row["period_start"] for row in rows] == [text(1200 * n) for n in range(4)]
    assert rows[3]["period_end"] == text(4800)


def test_periods_begin_at_the_lower_bound_even_of_an_exclusive_one(member: ClassicClient) -> None:
    for op, counts in (("ge", [1, 1]), ("gt", [1, 1])):
        rows = member.listed(
            PATH, ("timestamp", op, text(-300)), ("timestamp", "lt", text(1200)), period=600
        )
        assert [row["count"] for row in rows] == counts
        assert rows[0]["period_start"] == text(-300)
    (row,) = member.listed(PATH, ("timestamp", "gt", text(2400)), period=3600)
    assert (row["count"], row["period_start"]) == (1, text(2400))


def test_a_search_offset_widens_what_is_counted_and_not_the_duration(member: ClassicClient) -> None:
    (row,) = member.listed(
        PATH, ("timestamp", "ge", text(1200)), ("timestamp", "le", text(1800)),
        ("search_offset", "eq", "60"),
    )  # fmt: skip
    assert (row["count"], row["duration"]) == (6, 600.0)
    assert (row["duration_start"], row["duration_end"]) == (text(1200), text(1800))
    assert (row["period_start"], row["period_end"]) == (text(0), text(3000))


def test_a_duration_of_nothing_is_null(member: ClassicClient) -> None:
    (row,) = member.listed(
        PATH, ("timestamp", "ge", text(100)), ("timestamp", "le", text(200)),
        ("search_offset", "eq", "2"),
    )  # fmt: skip
    assert row["count"] == 1
    assert (row["duration"], row["duration_start"], row["duration_end"]) == (None, None, None)


def test_selected_aggregates_only(member: ClassicClient) -> None:
    (row,) = member.listed(PATH, aggregate__func=["stddev", "count", "max", "max"])
    assert row["aggregate"] == pytest.approx(
        {"stddev": 10.828203913853857, "count": 6.0, "max": 32.0}, rel=1e-15
    )
    assert (row["count"], row["max"]) == (6, 32.0)
    assert not {"min", "avg", "sum"} & set(row)


def test_cardinality_counts_who_is_there(member: ClassicClient) -> None:
    measured((VM2, "cpu", 1.0, 0), (resource("vm-3", user_id=None), "cpu", 1.0, 0))
    (row,) = member.listed(
        PATH, aggregate__func=["cardinality", "cardinality", "avg"],
        aggregate__param=["user_id", "resource_id"],
    )  # fmt: skip
    found = row["aggregate"]
    assert (found["cardinality/user_id"], found["cardinality/resource_id"]) == (2.0, 3.0)


def test_groups_come_in_the_order_in_which_they_were_first_stored(member: ClassicClient) -> None:
    measured((VM2, "cpu", 5.0, -600))
    rows = member.listed(PATH, groupby=["resource_id", "resource_id", "project_id"])
    assert [row["groupby"] for row in rows] == [
        {"resource_id": "vm-1", "project_id": "p1"}, {"resource_id": "vm-2", "project_id": "p1"},
    ]  # fmt: skip
    assert [row["sum"] for row in rows] == [63.0, 5.0]


@pytest.mark.parametrize("name", ["metadata.flavor.name", "resource_metadata.flavor.name"])
def test_groups_by_metadata_have_one_for_those_without(member: ClassicClient, name: str) -> None:
    measured((VM2, "cpu", 5.0, 0))
    rows = member.listed(PATH, groupby=name)
    assert [row["groupby"][name] for row in rows] == [None, "m1"]


def test_samples_of_two_units_never_go_together(member: ClassicClient) -> None:
    member.posted(
        {"counter_name": "disk", "counter_type": "gauge", "counter_unit": "MB",
         "counter_volume": 5, "resource_id": "a", "timestamp": text(0)},
        {"counter_name": "disk", "counter_type": "gauge", "counter_unit": "GB",
         "counter_volume": "7", "resource_id": "b", "timestamp": text(0)},
    )  # fmt: skip
    rows = member.listed("/meters/disk/statistics")
    assert [(row["unit"], row["sum"]) for row in rows] == [("MB", 5.0), ("GB", 7.0)]


def test_each_sample_counts_where_it_belonged(admin: ClassicClient, member: ClassicClient) -> None:
    """The resource moves to p2 after three of the six samples, and its metadata change."""
    measured((resource("vm-1", project_id="p2", metadata={"size": 2}), "cpu", 64.0, 1500))
    rows = admin.listed(PATH, groupby="project_id")
    assert [(row["groupby"]["project_id"], row["count"]) for row in rows] == [("p1", 3), ("p2", 4)]
    (row,) = member.listed(PATH)
    assert (row["count"], row["max"]) == (3, 4.0)
    (row,) = admin.listed(PATH, ("metadata.size", "eq", "2"))
    assert (row["count"], row["sum"]) == (4, 120.0)


def test_the_path_says_which_meter(member: ClassicClient) -> None:
    (row,) = member.listed(PATH, ("meter", "eq", "memory"))
    assert row["count"] == 6


def test_without_samples_there_are_no_rows(member: ClassicClient) -> None:
    assert member.listed("/meters/none/statistics", period=60) == []
    assert member.listed(PATH, ("resource_id", "eq", "none")) == []
    assert member.listed(PATH, ("timestamp", "gt", text(9000)), ("timestamp", "lt", text(0))) == []


REFUSED: dict[str, str] = {
    "period=-1": "Period must be positive.",
    "period=seven": "unable to convert to int",
    "period=99999999999999": "Invalid period",
    "limit=1": 'Unknown argument: "limit"',
    "groupby=wtf": "Unknown argument: \"{'wtf'}\": Invalid groupby fields",
    "groupby=user_id,resource_id": "Invalid groupby fields",
    "aggregate.func=mmm": "Invalid aggregation function: mmm",
    "aggregate.func=max&aggregate.func=mmm": "Invalid aggregation function: mmm",
    "aggregate.func=cardinality": "Bad aggregate: cardinality.None",
    "aggregate.func=cardinality&aggregate.param=foo": "Bad aggregate: cardinality.foo",
    "aggregate.func=avg&aggregate.func=cardinality&aggregate.param=user_id": (
        "Bad aggregate: cardinality.None"
    ),
    "aggregate=max": 'Unknown argument: "aggregate"',
    asked(("search_offset", "eq", "5")): "search_offset cannot be used without timestamp",
    asked(("search_offset", "eq", "x"), ("timestamp", "gt", "2024-01-01")): "Unable to convert",
    asked(("timestamp", "eq", "2024-01-01")): "unimplemented operator for timestamp",
    asked(("timestamp", "gt", "junk")): "invalid timestamp format",
}


def test_what_is_wrong_is_said(member: ClassicClient) -> None:
    for query, words in REFUSED.items():
        assert words in fault_of(member.ask("GET", f"{PATH}?{query}"), 400), query


def test_an_answer_has_so_many_rows_at_most(member: ClassicClient, settings: Any) -> None:
    settings.TELEMETRY_CLASSIC_MAX_ROWS = 5
    assert len(member.listed(PATH, period=1200)) == 3
    answer = member.ask("GET", f"{PATH}?period=600")
    assert "would have more than 5 rows" in fault_of(answer, 400)
    measured((VM2, "cpu", 1.0, 0))
    answer = member.ask("GET", f"{PATH}?groupby=resource_id&period=1200")
    assert len(answer.json()) == 4
    measured((VM2, "cpu", 1.0, 1200), (VM2, "cpu", 1.0, 2400))
    answer = member.ask("GET", f"{PATH}?groupby=resource_id&period=1200")
    assert "would have more than 5 rows" in fault_of(answer, 400)


def test_no_more_is_read_once_there_are_too_many_periods(
    member: ClassicClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a period of a second may take all memory before it is refused."""
    measured(*((VM1, "cpu", 1.0, -86_400 * n) for n in range(1, 20)))
    read: list[Any] = []
    monkeypatch.setattr(reading, "POINTS_A_READ", 1)
    monkeypatch.setattr(whole, "read_blocks", lambda *one: read.append(one) or blocks(*one))
    settings.TELEMETRY_CLASSIC_MAX_ROWS = 5
    fault_of(member.ask("GET", f"{PATH}?period=600"), 400)
    refused = len(read)
    settings.TELEMETRY_CLASSIC_MAX_ROWS = 1000
    assert len(member.listed(PATH, period=600)) > 5
    assert refused < len(read) - refused


def test_what_they_are_made_of_is_said(member: ClassicClient) -> None:
    for path in (PATH, "/meters/none/statistics"):
        assert member.ask("GET", path)["X-Statistics-Source"] == "raw"


def test_groups_are_of_so_many_fields_at_most(member: ClassicClient) -> None:
    """PostgreSQL has an end of columns; the query may stand in a body, which is long."""
    body = {"groupby": [f"metadata.key{n}" for n in range(2000)]}
    words = fault_of(member.ask("GET", PATH, body), 400)
    assert words == "groupby names more than 100 fields"
    answer = member.ask("GET", PATH, {"groupby": body["groupby"][:100]})
    assert len(answer.json()[0]["groupby"]) == 100
