"""Where a message goes: by exchange and key on RabbitMQ, straight to the queue on Valkey."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.conf import settings
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

RECEIPT_LIFE_S = 3600


def destination(queue: Queue) -> dict[str, Any]:
    """Options of a publication to `queue`.

    RabbitMQ: exchange and routing key, the only ones that a hypervisor's login may write to.
    Valkey: the default exchange, because it needs no binding. kombu keeps bindings in the server
    and drops what it can't route without a word; after a FLUSHALL that would be everything.
    """
    if settings.BROKER_IS_AMQP:
        return {"exchange": queue.exchange, "routing_key": queue.routing_key, "mandatory": True}
    return {"exchange": "", "routing_key": queue.name}


def receipt_queue(agent_id: str) -> Queue:
    """The agent's receipts: they expire, since the agent asks again (rule A4)."""
    name = f"receipts.{agent_id}"
    arguments = (
        {"x-expires": RECEIPT_LIFE_S * 1000, "x-message-ttl": RECEIPT_LIFE_S * 1000}
        if settings.BROKER_IS_AMQP
        else {}
    )
    return Queue(name, Exchange(""), routing_key=name, durable=True, queue_arguments=arguments)


def broker_errors() -> tuple[type[Exception], ...]:
    """What a broker that is away, or has closed the channel, raises.

    kombu makes one error of most of them, but lets the transport's own through where a message is
    sent or settled on a connection that is already open.
    """
    return errors_of(settings.BROKER_URL)


@cache
def errors_of(url: str) -> tuple[type[Exception], ...]:
    """The same of any broker."""
    connection = Connection(url)  # opens nothing
    return (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors)


@contextmanager
def answering(app: Any, patience_s: float = 5) -> Iterator[Connection]:
    """A connection to a broker that answers, closed at the end.

    Raises `kombu.exceptions.OperationalError` when it does not within about `patience_s`.
    """
    limits = {"socket_timeout": patience_s, "socket_connect_timeout": patience_s}
    options = {} if settings.BROKER_IS_AMQP else limits
    with app.connection_for_write(
        connect_timeout=patience_s, transport_options=options
    ) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        yield connection


def depths(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Messages that wait, by queue. On Valkey a fanout's queue is no list, so it is left out."""
    return {
        name: depth(connection, name)
        for name in names
        if settings.BROKER_IS_AMQP or not name.startswith("compute.")
    }


def depth(connection: Connection, queue: str) -> int:
    """Messages that wait in `queue`. Raises `kombu.exceptions.OperationalError`.

    On RabbitMQ a missing queue closes the channel, hence a channel for each question. On Valkey
    declaring makes nothing, and must not be passive: kombu 5.7 asks `EXISTS` without the key
    prefix, so each queue would seem to be missing.
    """
    passive: bool = settings.BROKER_IS_AMQP
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue, passive=passive).message_count)
        except connection.channel_errors:
            return 0
