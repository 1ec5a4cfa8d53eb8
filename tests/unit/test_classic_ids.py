"""Ids of samples."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.metering_api.ids import Position, message_id, position_of
from meters.wire import STORED


@given(st.integers(1, 2**58 - 1), st.integers(0, STORED.latest_us))
def test_an_id_tells_its_series_and_time(series: int, timestamp_us: int) -> None:
    text = message_id(series, timestamp_us)
    assert position_of(text) == Position(series, timestamp_us)
    assert uuid.UUID(text).version == 8
    assert uuid.UUID(text).variant == uuid.RFC_4122


def test_ids_are_ordered_as_series_and_times_are() -> None:
    places = [(1, 2**62), (2, 0), (2, 1), (2, 2**62), (3, 5)]
    assert sorted(message_id(*place) for place in places) == [message_id(*one) for one in places]


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "a/b", "é" * 36, "31477996-8c43-4419-803e-f639b91222ac",
        "ca4f9066-ea0c-11f1-aa38-02fc00000001",
        message_id(1, STORED.latest_us + 1), message_id(1, 2**62), message_id(1, -1),
    ],
)  # fmt: skip
def test_what_is_no_sample_s_id_has_no_place(text: str) -> None:
    assert position_of(text) is None
