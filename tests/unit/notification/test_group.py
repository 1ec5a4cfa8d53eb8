"""What is kept of a message's headers, which are the sender's to write."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from meters import wire
from pollers.notification.envelope import FULL_SIZE
from pollers.notification.group import (
    MOST_BYTES,
    MOST_HEADER_BYTES,
    MOST_HEADERS,
    Gathering,
    raw_message,
)
from tests.support.notifications import convert, packed, volume

GOOD = packed(volume())


def with_headers(headers: dict[Any, Any], body: bytes = GOOD.body) -> wire.RawMessage:
    return raw_message(
        SimpleNamespace(
            body=body, headers=headers, content_type="application/json",
            content_encoding="utf-8", delivery_info={"routing_key": "notifications.info"},
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {f"h{number}": number for number in range(5000)},
        {"x" * 300: "y" * 100_000},
        {f"{number}" * 90: "\u0394" * 255 for number in range(100)},
        {"a": float("nan"), "b": float("inf"), "c": 1 << 62},
        {b"\xff": "a", "b": b"\xff", "c": None, "d": [1], "e": {"f": 1}},
        {"a\x00b": "c\x00d", "e": "\ud800"},
        {FULL_SIZE: "much"}, {FULL_SIZE: -5}, {FULL_SIZE: float("nan")}, {FULL_SIZE: 10_000_000},
    ],
)  # fmt: skip
def test_odd_headers_spoil_neither_their_message_nor_others(headers: dict[Any, Any]) -> None:
    """`convert` checks that the collector takes the batch: here of a message that is refused."""
    refused = with_headers(headers, b"{not json")
    good = with_headers(headers)
    result = convert(refused, good)

    assert result.reject.reason == "bad_json"
    assert result.samples["volume.size"][0] == 1.0
    assert len(good.headers) <= MOST_HEADERS
    assert sum(len(key) + len(str(value)) for key, value in good.headers.items()) <= (
        MOST_HEADER_BYTES
    )


def test_how_a_body_is_packed_is_known_however_many_headers_there_are() -> None:
    headers: dict[str, Any] = {f"h{number}": number for number in range(5000)}

    assert with_headers({**headers, "compression": "gzip"}).headers["compression"] == "gzip"


def test_a_body_over_the_limit_is_refused_whatever_its_sender_says_of_its_size() -> None:
    result = convert(with_headers({FULL_SIZE: 5}, b" " * (wire.MAX_ITEM_BYTES + 1)))

    assert result.reject.reason == "item_too_large"


def test_headers_count_where_messages_are_gathered() -> None:
    gathering = Gathering()
    large = with_headers({f"{number}" * 50: "y" * 200 for number in range(30)}, b"{}")
    for place in range(500):
        gathering.add(large, place, 0.0)
    groups = list(gathering.due(float("inf")))

    assert sum(len(group.messages) for group in groups) == 500
    assert max(group.bytes for group in groups) <= MOST_BYTES


def test_headers_of_a_spooled_message_that_no_store_holds_are_left_out() -> None:
    """As older consumers spooled them."""
    result = convert(wire.RawMessage(b"{", headers={f"h{number}": 1 for number in range(300)}))

    wire.check_metadata("headers", result.reject.headers)
