"""Query parameters of the metric API, and what is said of those that can't be read."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict

from meters.metric_api.errors import ApiError
from meters.metric_api.params import Params


def params(query: str) -> Params:
    return Params(QueryDict(query))


def refused(query: str, kind: str, name: str) -> Any:
    with pytest.raises(ApiError) as error:
        getattr(params(query), kind)(name)
    assert error.value.status == 400
    return error.value.description


@pytest.mark.parametrize("text", ["1", "t", "true", "True", "TRUE", "on", "y", "yes", " Yes "])
def test_yes(text: str) -> None:
    assert params(f"refresh={text}").flag("refresh")


@pytest.mark.parametrize("text", ["0", "f", "false", "False", "off", "n", "no", "NO"])
def test_no(text: str) -> None:
    assert not params(f"refresh={text}").flag("refresh", default=True)


def test_neither_is_told_with_what_would_be() -> None:
    assert refused("refresh=zz", "flag", "refresh") == (
        "Unable to parse `refresh': Unrecognized value 'zz', acceptable values are: '0', '1', "
        "'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'"
    )


def test_what_is_absent_is_none_or_the_default() -> None:
    asked = params("unknown=1")
    assert asked.text("a") is asked.time_us("a") is asked.timespan_us("a") is None
    assert asked.texts("a") == []
    assert (asked.flag("a"), asked.flag("a", default=True)) == (False, True)


def test_times_and_timespans() -> None:
    asked = params("start=2015-03-06T14:33:57%2B00:00&stop=1425652437&granularity=5 min")
    assert asked.time_us("start") == asked.time_us("stop") == 1_425_652_437_000_000
    assert asked.timespan_us("granularity") == 300_000_000


@pytest.mark.parametrize(
    ("query", "kind", "reason"),
    [
        ("x=zz", "time_us", "Must be a datetime or a timestamp"),
        ("x=", "time_us", "Must be a datetime or a timestamp"),
        ("x=-5", "time_us", "Must be a datetime or a timestamp"),
        ("x=zz", "timespan_us", "Unable to parse timespan"),
        ("x=0", "timespan_us", "Timespan must be positive"),
        ("x=-1", "timespan_us", "Timespan must be positive"),
    ],
)
def test_what_can_not_be_read_is_named(query: str, kind: str, reason: str) -> None:
    told = {"cause": "Argument value error", "detail": "x", "reason": reason}
    assert refused(query, kind, "x") == told


def test_the_last_of_several_counts_unless_all_do() -> None:
    asked = params("a=1&a=0&b=x&b=y")
    assert not asked.flag("a")
    assert asked.texts("b") == ["x", "y"]
