"""Which agent polls a source for a slot: the first one that claims it at the broker (rule A11).

A claim ends with its agent. On Valkey it is a key with a short life, which the agent renews while
it polls; on RabbitMQ a queue that takes one message only, and the broker hands a dead agent's task
on to another by itself. Either goes by itself after two intervals.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from amqp.exceptions import MessageNacked
from django.conf import settings
from kombu import Connection, Exchange, Producer, Queue

from pollers.urls import file_name
from telemetry_site.celery import app
from telemetry_site.queues import answering, broker_errors, depth

log = structlog.get_logger(__name__)

PATIENCE_S = 3.0
#: Without a renewal for so long another agent may poll.
LEASE_S = 6.0
CLAIMED, DONE = b"claimed", b"done"
#: Of its own: whoever may write to the default exchange reaches every queue (S34).
EXCHANGE = Exchange("telemetry.claims", type="direct", durable=True)


def claim(source: str, slot: float, interval_s: float) -> bool:
    """Whether this agent may poll `source` for `slot`.

    Where the broker can't say, it may: a poll too many does no harm, since samples of one slot
    have one time.
    """
    name = _name(source, slot)
    try:
        with answering(app, PATIENCE_S) as connection:
            if settings.BROKER_IS_AMQP:
                return _put_alone(connection, name, interval_s)
            return bool(_client(connection).set(name, CLAIMED, nx=True, px=_ms(LEASE_S)))
    except broker_errors() as error:
        log.debug("poll without a claim: the broker is away", source=source, error=str(error))
        return True


@contextmanager
def renewing(source: str, slot: float, interval_s: float) -> Iterator[None]:
    """Hold the claim while the poll runs; after one that went well nobody repeats it."""
    if settings.BROKER_IS_AMQP:
        yield
        return
    stop = threading.Event()
    arguments = (_name(source, slot), stop)
    thread = threading.Thread(target=_renew, args=arguments, name="claim", daemon=True)
    thread.start()
    try:
        yield
        stop.set()
        thread.join(PATIENCE_S)
        _set(_name(source, slot), DONE, 2 * interval_s)
    finally:
        stop.set()


def is_settled(source: str, slot: float) -> bool:
    """Whether some agent polled the slot, as far as the broker says."""
    name = _name(source, slot)
    try:
        with answering(app, PATIENCE_S) as connection:
            if settings.BROKER_IS_AMQP:
                return depth(connection, name) > 0
            return bool(_client(connection).get(_prefixed(name)) == DONE)
    except broker_errors():
        return False


def _name(source: str, slot: float) -> str:
    return f"claim.{file_name(source)}.{slot:.3f}"


def _renew(name: str, stop: threading.Event) -> None:
    while not stop.wait(LEASE_S / 3):
        _set(name, CLAIMED, LEASE_S)


def _set(name: str, value: bytes, seconds: float) -> None:
    try:
        with answering(app, PATIENCE_S) as connection:
            _client(connection).set(name, value, px=_ms(seconds))
    except broker_errors() as error:
        log.debug("a claim was not renewed", claim=name, error=str(error))


def _client(connection: Connection) -> Any:
    """Of Valkey; kombu gives it the prefix of keys for SET, and not for GET."""
    return connection.default_channel.client


def _prefixed(name: str) -> str:
    return f"{app.conf.broker_transport_options.get('global_keyprefix', '')}{name}"


def _ms(seconds: float) -> int:
    return max(round(seconds * 1000), 1)


def _put_alone(connection: Connection, name: str, interval_s: float) -> bool:
    arguments = {
        "x-max-length": 1, "x-overflow": "reject-publish", "x-expires": _ms(2 * interval_s),
    }  # fmt: skip
    queue = Queue(name, EXCHANGE, routing_key=name, durable=True, queue_arguments=arguments)
    with connection.channel() as channel:
        try:
            Producer(channel).publish(
                b"", exchange=EXCHANGE, routing_key=name, declare=[queue], retry=False,
                content_type="application/data", content_encoding="binary",
                confirm_timeout=PATIENCE_S,
            )  # fmt: skip
        except MessageNacked:
            return False
    return True
