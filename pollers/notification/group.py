"""Messages of a bus gathered into groups, one spool file each (rule A5)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from meters import wire
from pollers.notification.envelope import FULL_SIZE, MAX_MESSAGE_BYTES, UNREADABLE

MOST_MESSAGES = 500
#: So that what the messages become fits one batch of 1 MiB; a larger message goes alone.
MOST_BYTES = 256 * 1024
LONGEST_WAIT_S = 0.2
#: A body over this is cut; it will be refused for its size, the quarantine keeps its beginning.
LONGEST_BODY = 2 * MAX_MESSAGE_BYTES
#: Headers of one message that are kept, and their bytes. Senders of OpenStack's set none.
MOST_HEADERS = 64
MOST_HEADER_BYTES = 8 * 1024
#: Those that say how a body is to be read; no other may take their place.
NEEDED = ("compression", UNREADABLE)
#: Ours: a sender's own mean nothing.
_DIGEST = "x-telemetry-sha256"


@dataclass
class Group:
    """Messages that will share a spool file; `last` is the one whose acknowledgement covers all."""

    messages: list[wire.RawMessage] = field(default_factory=list)
    bytes: int = 0
    since: float = 0.0
    last: Any = None

    def has_room(self, size: int) -> bool:
        return len(self.messages) < MOST_MESSAGES and self.bytes + size <= MOST_BYTES


class Gathering:
    """What was taken from one bus and not yet spooled, in order. Not thread-safe."""

    def __init__(self) -> None:
        self._groups: list[Group] = []

    def add(self, message: wire.RawMessage, handle: Any, now: float) -> None:
        """`handle` is what will be acknowledged, `now` a monotonic time."""
        size = len(message.body) + _size(message.headers)
        if not self._groups or not self._groups[-1].has_room(size):
            self._groups.append(Group(since=now))
        group = self._groups[-1]
        group.messages.append(message)
        group.bytes += size
        group.last = handle

    def due(self, now: float) -> Iterator[Group]:
        """Groups that are full or have waited long enough; each leaves once it was dealt with."""
        while self._groups:
            group = self._groups[0]
            full = len(self._groups) > 1 or len(group.messages) >= MOST_MESSAGES
            if not full and now - group.since < LONGEST_WAIT_S:
                return
            yield group
            del self._groups[0]

    def clear(self) -> None:
        self._groups.clear()

    def __len__(self) -> int:
        return sum(len(group.messages) for group in self._groups)


def raw_message(message: Any) -> wire.RawMessage:
    """The undecoded form of an AMQP message (kombu's)."""
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    headers = _headers(message.headers)
    if len(body) > LONGEST_BODY:
        headers |= {FULL_SIZE: len(body), _DIGEST: hashlib.sha256(body).hexdigest()}
        body = body[:LONGEST_BODY]
    info = message.delivery_info or {}
    return wire.RawMessage(
        body=body,
        content_type=_text(message.content_type),
        content_encoding=_text(message.content_encoding),
        exchange=_text(info.get("exchange")),
        routing_key=_text(info.get("routing_key")),
        headers=headers,
    )


def _headers(written: dict[Any, Any]) -> dict[str, Any]:
    """What the store can hold of them: as much as fits, the needed ones first."""
    kept: dict[str, Any] = {}
    room = MOST_HEADER_BYTES
    for key in sorted(written, key=lambda one: one not in NEEDED):
        value, name = written[key], _text(key)
        if isinstance(value, str):
            value = _text(value)
        elif not isinstance(value, int | float) or not math.isfinite(value):
            continue
        room -= _size({name: value})
        if room < 0 or len(kept) >= MOST_HEADERS:
            break
        kept[name] = value
    for ours in (FULL_SIZE, _DIGEST):
        kept.pop(ours, None)
    return kept


def _size(headers: dict[str, Any]) -> int:
    return sum(len(key.encode()) + len(str(value).encode()) for key, value in headers.items())


def _text(value: object) -> str:
    """Text of the protocol, which may hold bytes that are no UTF-8 (kept as surrogates)."""
    text = "" if value is None else str(value)
    return text.encode("utf-8", "replace").decode().replace("\x00", "")[: wire.MAX_NAME]
