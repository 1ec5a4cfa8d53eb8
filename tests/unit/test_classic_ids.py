"""Ids of samples, signatures."""

from __future__ import annotations

import hashlib
import hmac
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.metering_api.ids import Position, message_id, position_of
from meters.signatures import fits, signature


@given(st.integers(1, 2**58 - 1), st.integers(0, 2**63 - 1))
def test_an_id_tells_its_series_and_time(series: int, timestamp_us: int) -> None:
    text = message_id(series, timestamp_us)
    assert position_of(text) == Position(series, timestamp_us)
    assert uuid.UUID(text).version == 8
    assert uuid.UUID(text).variant == uuid.RFC_4122


def test_ids_are_ordered_as_series_and_times_are() -> None:
    places = [(1, 2**62), (2, 0), (2, 1), (2, 2**62), (3, 5)]
    assert sorted(message_id(*place) for place in places) == [message_id(*one) for one in places]


@pytest.mark.parametrize("text", ["", "x", "a/b", str(uuid.uuid4()), str(uuid.uuid1()), "é" * 36])
def test_what_is_no_sample_s_id_has_no_place(text: str) -> None:
    assert position_of(text) is None


def test_a_signature_is_of_names_and_values_in_order() -> None:
    message = {"b": "2", "a": {"y": 1, "x": "é"}, "message_signature": "ignored"}
    plain = hmac.new(b"s", "a:xéa:y1b2".encode(), hashlib.sha256).hexdigest()
    assert signature(message, "s") == plain
    assert fits({**message, "message_signature": plain}, "s")


def test_another_secret_another_value_or_none_does_not_fit() -> None:
    message = {"a": "1"}
    signed = message | {"message_signature": signature(message, "s")}
    assert not fits(signed, "t")
    assert not fits(signed | {"a": "2"}, "s")
    assert not fits(message, "s")
    assert not fits(message | {"message_signature": 5}, "s")
    assert not fits(message | {"message_signature": "é"}, "s")
