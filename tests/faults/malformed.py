"""Messages for the collector's queue that no agent of ours would send (F28)."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from meters import wire
from telemetry_site.clock import now_us
from tests.faults.brokers import Broker
from tests.faults.cluster import COLLECTOR_QUEUE
from tests.support.batches import batch_of, resource

STORE_BATCH = "meters.tasks.store_batch"
MSGPACK = "application/x-msgpack"


class Message(NamedTuple):
    """`payload` is the batch that a message in order carries; the quarantine keeps that alone."""

    reason: str
    body: bytes
    content_type: str = "application/json"
    task: str | None = STORE_BATCH
    payload: bytes | None = None

    @property
    def kept(self) -> tuple[str, bytes]:
        """Reason and body in the quarantine."""
        return self.reason, self.body if self.payload is None else self.payload


class Bomb:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[[str, str], object], tuple[str, str]]:
        return (open, (str(self._path), "w"))


def messages(bomb: Path) -> list[Message]:
    """One of each kind with the reason that the quarantine must give it."""
    return [*_broken_messages(bomb), *(carrying(*one) for one in _broken_batches())]


def _broken_messages(bomb: Path) -> list[Message]:
    """What Celery itself would acknowledge and forget, or worse."""
    pickled = pickle.dumps(([Bomb(bomb)], {}, {}))
    return [
        Message("bad_encoding", pickled, "application/x-python-serialize"),
        Message("bad_encoding", b"{broken"),
        Message("schema", b"", MSGPACK),
        Message("bad_encoding", b"\xff\xfe", "application/json"),
        Message("schema", b'[["no bytes"], {}, {}]'),
        Message("bad_encoding", b'[[{"__type__": "bytes", "__value__": 1}], {}, {}]'),
        Message("schema", b"[5, {}, {}]"),
        Message("schema", b"[[], {}, {}]", task="notifier.send"),
        Message("schema", b"not even a task", "text/plain", task=None),
    ]


def _broken_batches() -> list[tuple[str, bytes]]:
    """Payloads of a message that is in order."""
    good = wire.encode(batch_of((resource(), "cpu", 1.0, now_us())))
    fields = msgspec.msgpack.decode(good)
    samples = fields["samples"]
    return [
        ("bad_encoding", b""),
        ("bad_encoding", b"\xc1 no msgpack"),
        ("bad_encoding", good[: len(good) // 2]),
        ("bad_version", _packed(fields, v=99)),
        ("schema", msgspec.msgpack.encode({"v": 1})),
        ("schema", _packed(fields, samples={**samples, "index": b"\x09\0\0\0"})),
        ("schema", _packed(fields, samples={**samples, "catalogue": b"\x90"})),
        ("not_finite", _packed(fields, samples={**samples, "value": b"\0\0\0\0\0\0\xf8\x7f"})),
    ]


def _packed(fields: dict[str, Any], **other: Any) -> bytes:
    return msgspec.msgpack.encode({**fields, "batch_id": wire.new_batch_id(), **other})


def carrying(reason: str, payload: bytes) -> Message:
    body = msgspec.msgpack.encode(([payload, 1], {}, {}))
    return Message(reason, body, MSGPACK, payload=payload)


def send(broker: Broker, messages: list[Message]) -> None:
    with broker.connection() as connection:
        producer = connection.Producer()
        for message in messages:
            task = {"task": message.task} if message.task else {}
            producer.publish(
                message.body,
                exchange="",
                routing_key=COLLECTOR_QUEUE,
                headers={"id": wire.new_batch_id(), "lang": "py", **task},
                content_type=message.content_type,
                content_encoding="binary",
            )
