"""Bodies of measures: well-formed ones to columns, the others to words that clients know."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meters.metric_api import measures
from meters.metric_api.errors import ApiError

AT = "2015-03-06T14:33:57"
AT_US = 1_425_652_437_000_000


def rows(columns: measures.Columns) -> list[tuple[int, float]]:
    return list(zip(columns.timestamps.tolist(), columns.values.tolist(), strict=True))


def decode(items: Any) -> list[tuple[int, float]]:
    return rows(measures.decode(json.dumps(items).encode()))


def refusal(function: Any, body: Any) -> Any:
    with pytest.raises(ApiError) as caught:
        function(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert caught.value.status == 400
    return caught.value.description


@pytest.mark.parametrize("at", [AT, f"{AT}Z", f"{AT}+00:00", 1425652437, "1425652437.0"])
@pytest.mark.parametrize("value", [43, 43.0, "43", "4.3e1"])
def test_one_measure(at: Any, value: Any) -> None:
    assert decode([{"timestamp": at, "value": value, "more": []}]) == [(AT_US, 43.0)]


def test_true_is_one_and_nothing_is_nothing() -> None:
    assert decode([{"timestamp": 1, "value": True}]) == [(1_000_000, 1.0)]
    assert decode([]) == decode({}) == []


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ("text", "unexpected measures format"),
        ({"a": 1}, "unexpected measures format"),
        ([1], "unexpected measures format"),
        ([{"value": 1}], "unexpected measures format"),
        ([{"timestamp": AT}], "unexpected measures value"),
        ([{"timestamp": AT, "value": None}], "unexpected measures value"),
        ([{"timestamp": AT, "value": "x"}], "unexpected measures value"),
        ([{"timestamp": AT, "value": "nan"}], "unexpected measures value"),
        ([{"timestamp": AT, "value": "inf"}], "unexpected measures value"),
        ([{"timestamp": AT, "value": 10**400}], "unexpected measures value"),
        ([{"timestamp": True, "value": 1}], "unexpected timestamp 'Unable to convert timestamps'"),
        ([{"timestamp": None, "value": 1}], "unexpected timestamp 'Unable to convert timestamps'"),
        ([{"timestamp": "NaT", "value": 1}], "unexpected timestamp 'Unable to convert timestamps'"),
        ([{"timestamp": 1e20, "value": 1}], "unexpected timestamp 'Unable to convert timestamps'"),
        ([{"timestamp": -1, "value": 1}], "unexpected timestamp 'Timestamp must be after Epoch'"),
        (
            [{"timestamp": AT, "value": 1}, {"timestamp": 3, "value": 1}],
            "unexpected timestamp 'Unable to convert timestamps'",
        ),
    ],
)
def test_what_is_wrong(items: Any, reason: str) -> None:
    said = {"cause": "Invalid input", "reason": reason, "detail": []}
    assert refusal(measures.decode, items) == said
    at = f"{reason} for dictionary value @ data['m']"
    said = {"cause": "Invalid input", "reason": at, "detail": ["m"]}
    assert refusal(measures.decode_by_metric, {"m": items}) == said


def test_no_json_at_all() -> None:
    for function in (measures.decode, measures.decode_by_metric, measures.decode_by_resource):
        for body in (b"", b"{", b'[{"timestamp": 1, "value": NaN}]', b"\xff"):
            assert refusal(function, body)["cause"] == "Unable to decode body"


def test_a_batch_keeps_each_metrics_rows_in_their_order() -> None:
    body = {
        "a": [{"timestamp": 2, "value": 1}, {"timestamp": 1, "value": 2}],
        "b": [],
        "c": [{"timestamp": AT, "value": 3}],
    }
    found = measures.decode_by_metric(json.dumps(body).encode())
    assert (found.keys, found.lengths) == (["a", "b", "c"], [2, 0, 1])
    assert rows(found.columns) == [(2_000_000, 1.0), (1_000_000, 2.0), (AT_US, 3.0)]


def test_both_forms_of_a_batch_by_resource() -> None:
    point = {"timestamp": AT, "value": 1}
    new = {"archive_policy_name": "low", "unit": "%", "measures": [point]}
    body = {"r1": {"cpu": [point], "mem": new}, "r2": {}, "r3": {"x": {}}}
    found = measures.decode_by_resource(json.dumps(body).encode())
    assert found.keys == [("r1", "cpu", None, ""), ("r1", "mem", "low", "%"), ("r3", "x", None, "")]
    assert found.lengths == [1, 1, 0]


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        ([], "expected a dictionary", []),
        ({"r": []}, "expected a dictionary for dictionary value @ data['r']", ["r"]),
        (
            {"r": {"m": {"measures": [], "zz": 1}}},
            "extra keys not allowed @ data['r']['m']['zz']", ["r", "m", "zz"],
        ),
        (
            {"r": {"m": {"unit": "B"}}},
            "required key not provided @ data['r']['m']['measures']", ["r", "m", "measures"],
        ),
        (
            {"r": {"m": {"measures": [], "unit": 1}}},
            "expected str for dictionary value @ data['r']['m']['unit']", ["r", "m", "unit"],
        ),
        (
            {"r": {"m": {"measures": 1}}},
            "unexpected measures format for dictionary value @ data['r']['m']['measures']",
            ["r", "m", "measures"],
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_batch_by_resource(body: Any, reason: str, detail: list[str]) -> None:
    assert refusal(measures.decode_by_resource, body) == {
        "cause": "Invalid input", "reason": reason, "detail": detail,
    }  # fmt: skip
