"""Publishing to the collector and to the notification workers, with the broker's confirmation."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from django.conf import settings
from kombu.exceptions import OperationalError

from meters import wire
from telemetry_site import publishing
from telemetry_site.batchmessage import STORE_BATCH as STORE_BATCH
from telemetry_site.batchmessage import send
from telemetry_site.celery import app
from telemetry_site.declaring import Declarer
from telemetry_site.queues import broker_errors

HANDLE_NOTIFICATIONS = "pollers.notification.tasks.handle_notifications"

#: What a broker that is away, full, or has forgotten a queue makes of a publication.
PublishError = OperationalError


class Publisher:
    """A connection for publishing. Not thread-safe: one a thread.

    Every publication names exchange and routing key (a hypervisor's login may write to no other),
    is mandatory and confirmed where the broker can, and declares its queue. After a failure the
    connection is dropped, so that the next try declares anew.
    """

    def __init__(self) -> None:
        self._connection: Any = None
        self._fed: set[str] = set()

    def publish(self, task: str, queue: Any, payload: bytes, publication: int = 1) -> None:
        """Send one task with one opaque bytes argument. Raises `PublishError`.

        A batch for the collector goes to the publishers' queues as well: on RabbitMQ by the
        broker's own doing, on Valkey by ours, and first, so that a batch that fell in between is
        without receipt and comes again.
        """
        try:
            if task == STORE_BATCH and not settings.BROKER_IS_AMQP:
                publishing.push_to_all(self._connected(), payload)
            self._send(task, queue, payload, publication, declare=[queue])
        except broker_errors() as error:
            self.close()
            raise PublishError(f"{type(error).__name__}: {error}") from error

    def feed(self, publisher: str, payload: bytes) -> None:
        """Put a batch into the queue of one publisher only. Raises `PublishError`."""
        try:
            if not settings.BROKER_IS_AMQP:
                publishing.push(self._connected(), publishing.queue_name(publisher), payload)
                return
            queue = publishing.queue_of(publisher)
            self._declare_once(queue)
            self._send(STORE_BATCH, queue, payload, 1, declare=[])
        except broker_errors() as error:
            self.close()
            raise PublishError(f"{type(error).__name__}: {error}") from error

    def _declare_once(self, queue: Any) -> None:
        """A queue that is there with another bound is used as it is."""
        if queue.name in self._fed:
            return
        said: list[str] = []
        declarer = Declarer(self._connected())
        declarer.declare(queue.exchange.declare, f"exchange {queue.exchange.name}", said)
        if declarer.declare(queue.queue_declare, f"queue {queue.name}", said):
            bind = partial(
                queue.bind_to, exchange=queue.exchange.name, routing_key=queue.routing_key
            )
            declarer.refusal(lambda channel: bind(channel=channel))
        declarer.close()
        self._fed.add(queue.name)

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = app.connection_for_write()
        return self._connection

    def _send(
        self, task: str, queue: Any, payload: bytes, publication: int, declare: list[Any]
    ) -> None:
        args = [payload, publication] if task == STORE_BATCH else [payload]
        send(self._connected(), task, args, queue, declare)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._fed.clear()
        if connection is not None:
            connection.release()


_local = threading.local()


def publish_batch(batch: wire.Batch) -> None:
    """Hand a batch on to the collector, from any thread. Raises `PublishError`."""
    _publisher().publish(STORE_BATCH, settings.COLLECTOR_QUEUE, wire.encode(batch))


def feed_publisher(publisher: str, batch: wire.Batch) -> None:
    """Hand a batch to one publisher only, from any thread. Raises `PublishError`."""
    _publisher().feed(publisher, wire.encode(batch))


def _publisher() -> Publisher:
    if not hasattr(_local, "publisher"):
        _local.publisher = Publisher()
    publisher: Publisher = _local.publisher
    return publisher
