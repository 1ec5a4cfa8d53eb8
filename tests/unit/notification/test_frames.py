"""Properties of AMQP messages that py-amqp can't read."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import Message, spec
from amqp.serialization import dumps, loads

from pollers.notification.envelope import UNREADABLE
from pollers.notification.frames import frame_handler
from pollers.notification.group import raw_message
from tests.support.notifications import convert, packed, volume

BODY = packed(volume()).body
TIME_OF_300000 = b"\x01t" + b"T" + struct.pack(">Q", 1 << 60)
#: Flags, then the properties that they name.
UNREADABLE_PROPERTIES = {
    "content type that is no UTF-8": b"\x80\x00\x02\xff\xfe",
    "type that is no UTF-8": b"\x00\x20\x01\xff",
    "time past the years": b"\x20\x00" + struct.pack(">I", len(TIME_OF_300000)) + TIME_OF_300000,
    "header of no known type": b"\x20\x00" + struct.pack(">I", 3) + b"\x01a?",
    "nested too deep": b"\x20\x00" + struct.pack(">I", 20_000) + b"\x01a" + b"A\0\0\0\x01" * 4000,
}


def taken(properties: bytes, routing_key: bytes = b"notifications.info") -> list[Any]:
    """The arguments and the message of a delivery of such properties, as a channel gets them."""
    found: list[Any] = []

    def dispatch(_channel: int, method: tuple[int, int], arguments: bytes, content: Any) -> None:
        assert method == spec.Basic.Deliver
        args, _ = loads("sLbss", arguments, 4)
        found.append((args, content))

    on_frame = frame_handler(SimpleNamespace(bytes_recv=0), dispatch)
    delivery = struct.pack(">HH", *spec.Basic.Deliver) + dumps(
        "sLbss", ["tag", 7, True, "nova", routing_key]
    )
    on_frame((1, 1, delivery))
    on_frame((2, 1, struct.pack(">HxxQ", 60, len(BODY)) + properties))
    on_frame((3, 1, BODY))
    return found


@pytest.mark.parametrize("properties", UNREADABLE_PROPERTIES.values(), ids=UNREADABLE_PROPERTIES)
def test_a_message_of_unreadable_properties_is_taken_and_refused_with_the_reason(
    properties: bytes,
) -> None:
    [(_, content)] = taken(properties)
    headers = content.properties["application_headers"]
    made = raw_message(
        SimpleNamespace(
            body=content.body, headers=headers, content_type=None, content_encoding=None,
            delivery_info=None,
        )
    )  # fmt: skip
    reject = convert(made).reject

    assert headers.keys() == {UNREADABLE}
    assert (reject.reason, reject.body) == ("bad_encoding", BODY)
    assert reject.detail.startswith("properties of the message can't be read: ")


def test_other_messages_keep_their_properties() -> None:
    sent = Message(BODY, content_type="application/json", application_headers={"a": 1})
    [(args, content)] = taken(sent._serialize_properties())

    assert args == ["tag", 7, True, "nova", "notifications.info"]
    assert content.properties == sent.properties
    assert content.body == BODY


def test_a_routing_key_that_is_no_utf8_is_shown_as_far_as_it_goes() -> None:
    [(args, _)] = taken(b"\x00\x00", b"key.\xff\xfe")

    assert args == ["tag", 7, True, "nova", "key.??"]
