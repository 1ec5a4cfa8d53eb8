"""A target's queue on the broker: the oldest batch is read, delivered, and only then removed."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import structlog
from django.conf import settings
from kombu import Connection

from telemetry_site import publishing
from telemetry_site.batchmessage import batch_in
from telemetry_site.celery import app
from telemetry_site.declaring import Declarer
from telemetry_site.queues import depth

log = structlog.get_logger(__name__)

CONNECT_S = 5
#: The broker answers a question within this, or the connection counts as lost.
ANSWER_S = 30


class Waiting(NamedTuple):
    """The oldest batch. `token` is what the queue knows it by."""

    payload: bytes
    token: Any


class Backlog(Protocol):
    """One thread uses it. All methods raise `telemetry_site.queues.broker_errors()`."""

    def oldest(self) -> Waiting | None: ...

    def done(self, waiting: Waiting) -> None:
        """It was delivered."""

    def give_back(self) -> None:
        """It was not: it stays the oldest."""

    def count(self) -> int: ...

    def close(self) -> None: ...


def backlog_of(publisher: str, gets_all: bool) -> Backlog:
    kind = RabbitBacklog if settings.BROKER_IS_AMQP else ValkeyBacklog
    return kind(publisher, gets_all)


class _Connected:
    """A connection that is opened where it is needed, and anew after a loss."""

    def __init__(self, publisher: str, gets_all: bool) -> None:
        self.publisher = publisher
        self.gets_all = gets_all
        self._connection: Connection | None = None

    def _open(self) -> Connection:
        """Without heartbeats: between two deliveries nobody would answer them."""
        options = (
            {"read_timeout": ANSWER_S, "write_timeout": ANSWER_S} if settings.BROKER_IS_AMQP else {}
        )
        connection = app.connection_for_read(
            connect_timeout=CONNECT_S, heartbeat=0, transport_options=options
        )
        connection.ensure_connection(max_retries=1, interval_start=0)
        return connection

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


class RabbitBacklog(_Connected):
    """A quorum queue, read by `basic.get`: what is not acknowledged goes back with the channel."""

    def __init__(self, publisher: str, gets_all: bool) -> None:
        super().__init__(publisher, gets_all)
        self._queue: Any = None

    def oldest(self) -> Waiting | None:
        """What is no batch (a heartbeat, somebody's mistake) is the collector's to deal with."""
        while (message := self._bound().get(accept=settings.CELERY_ACCEPT_CONTENT)) is not None:
            found = batch_in(message)
            if found is not None:
                return Waiting(found[0], message)
            message.ack()
        return None

    def done(self, waiting: Waiting) -> None:
        waiting.token.ack()

    def give_back(self) -> None:
        if self._queue is not None:
            self._queue.channel.close()
            self._queue = None

    def count(self) -> int:
        if self._connection is None:
            self._bound()
        assert self._connection is not None
        return depth(self._connection, publishing.queue_name(self.publisher))

    def close(self) -> None:
        self._queue = None
        super().close()

    def _bound(self) -> Any:
        """The queue on a channel of ours."""
        if self._connection is None:
            self._connection = self._open()
            declare(self._connection, self.publisher, self.gets_all)
        if self._queue is None:
            self._queue = publishing.queue_of(self.publisher).bind(self._connection.channel())
        return self._queue


def declare(connection: Connection, publisher: str, gets_all: bool) -> None:
    """Queue and bindings. A queue that is there with another bound is used as it is."""
    said: list[str] = []
    queue = publishing.queue_of(publisher)
    dropped = publishing.dropped_queue()
    declarer = Declarer(connection)
    for exchange in (settings.TASK_EXCHANGE, settings.INGEST_EXCHANGE):
        declarer.declare(exchange.declare, f"exchange {exchange.name}", said)
    declarer.declare(dropped.queue_declare, f"queue {dropped.name}", said)
    declarer.declare(queue.queue_declare, f"queue {queue.name}", said)
    wanted = [(settings.TASK_EXCHANGE, queue.routing_key)]
    if gets_all:
        wanted.append((settings.INGEST_EXCHANGE, settings.COLLECTOR_QUEUE.routing_key))
    for exchange, key in wanted:
        refusal = declarer.refusal(_binding(queue, exchange.name, key))
        if refusal:
            said.append(f"queue {queue.name} is not bound to {exchange.name}: {refusal}")
    declarer.close()
    if said:
        log.warning("publisher's queue", publisher=publisher, differs=said)


def _binding(queue: Any, exchange: str, key: str) -> Any:
    return lambda channel: queue.bind_to(exchange=exchange, routing_key=key, channel=channel)


class ValkeyBacklog(_Connected):
    """A list, read without taking. After FLUSHALL its name is not in the set: told each time."""

    def oldest(self) -> Waiting | None:
        connection = self._named()
        payload = publishing.ask(connection, "LINDEX", self._name, -1)
        return None if payload is None else Waiting(payload, payload)

    def done(self, waiting: Waiting) -> None:
        publishing.ask(self._named(), "LREM", self._name, -1, waiting.token)

    def give_back(self) -> None:
        """It was never taken."""

    def count(self) -> int:
        return int(publishing.ask(self._named(), "LLEN", self._name))

    @property
    def _name(self) -> str:
        return publishing.queue_name(self.publisher)

    def _named(self) -> Connection:
        if self._connection is None:
            self._connection = self._open()
        if self.gets_all:
            publishing.ask(self._connection, "SADD", publishing.EVERYTHING, self._name)
        return self._connection
