"""Frames of AMQP whose texts or times py-amqp can't read, made readable.

What a sender writes into the properties of a message (a content type that is no UTF-8, a time in
the year 300000) comes to us as it is; read by the library it raises, and the connection ends. The
message stays unacknowledged, so it would come first on the next connection, and on all that follow.
Here such a message is taken without its properties, and told as what it is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from amqp import spec
from amqp.exceptions import AMQPError
from amqp.method_framing import frame_handler as library_handler
from amqp.serialization import decode_properties_basic, dumps, loads

from pollers.notification.envelope import UNREADABLE

_CONTENT_HEADER = 2
_UNREADABLE = (
    ArithmeticError, AttributeError, IndexError, OSError, RecursionError, TypeError, ValueError,
    struct.error, AMQPError,
)  # fmt: skip
#: Class, weight and size of the body stand before the properties.
_PROPERTIES_AT = 12
_ONLY_HEADERS = b"\x20\x00"
#: consumer tag, delivery tag, redelivered, exchange, routing key
_DELIVERY = "sLbss"
_ARGUMENTS_AT = 4

Frame = tuple[int, int, bytes]
Dispatch = Callable[[int, tuple[int, int], bytes, Any], None]


def frame_handler(connection: Any, callback: Dispatch) -> Callable[[Frame], bool]:
    """As the library's, for `amqp.Connection(frame_handler=…)`."""

    def dispatch(channel: int, method: tuple[int, int], arguments: bytes, content: Any) -> None:
        if method == spec.Basic.Deliver:
            arguments = _readable_delivery(arguments)
        callback(channel, method, arguments, content)

    on_frame = library_handler(connection, dispatch)

    def on_any_frame(frame: Frame) -> bool:
        kind, channel, buffer = frame
        if kind == _CONTENT_HEADER:
            frame = kind, channel, _readable_properties(buffer)
        taken: bool = on_frame(frame)
        return taken

    return on_any_frame


def _readable_properties(header: bytes) -> bytes:
    try:
        decode_properties_basic(header, _PROPERTIES_AT)
    except _UNREADABLE as error:
        why = f"{type(error).__name__}: {error}"[:200]
        told: bytes = dumps("F", [{UNREADABLE: why}])
        return header[:_PROPERTIES_AT] + _ONLY_HEADERS + told
    return header


def _readable_delivery(arguments: bytes) -> bytes:
    """Names of exchange and routing key: what of them is no UTF-8 becomes a question mark."""
    try:
        loads(_DELIVERY, arguments, _ARGUMENTS_AT)
    except UnicodeDecodeError:
        return arguments[:_ARGUMENTS_AT] + _in_utf8(arguments)
    return arguments


def _in_utf8(arguments: bytes) -> bytes:
    tag, place = _short_text(arguments, _ARGUMENTS_AT)
    numbers = arguments[place : place + 9]
    exchange, place = _short_text(arguments, place + 9)
    routing_key, _ = _short_text(arguments, place)
    names: bytes = dumps("ss", [exchange, routing_key])
    return bytes(dumps("s", [tag])) + numbers + names


def _short_text(arguments: bytes, place: int) -> tuple[str, int]:
    """The text there, and where the next thing stands."""
    end = place + 1 + arguments[place]
    return arguments[place + 1 : end].decode("ascii", "replace").replace("\ufffd", "?"), end
