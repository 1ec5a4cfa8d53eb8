"""Publishing to the collector and to the notification workers, with the broker's confirmation."""

from __future__ import annotations

import threading
from typing import Any

from django.conf import settings
from kombu.exceptions import OperationalError

from meters import wire
from telemetry_site.celery import app
from telemetry_site.queues import broker_errors, destination

STORE_BATCH = "meters.tasks.store_batch"
HANDLE_NOTIFICATIONS = "pollers.notification.tasks.handle_notifications"
CONFIRM_TIMEOUT_S = 10

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

    def publish(self, task: str, queue: Any, payload: bytes, publication: int = 1) -> None:
        """Send one task with one opaque bytes argument. Raises `PublishError`."""
        try:
            self._send(task, queue, payload, publication)
        except broker_errors() as error:
            self.close()
            raise PublishError(f"{type(error).__name__}: {error}") from error

    def _send(self, task: str, queue: Any, payload: bytes, publication: int) -> None:
        if self._connection is None:
            self._connection = app.connection_for_write()
        producer = app.amqp.Producer(self._connection, auto_declare=False)
        app.send_task(
            task,
            args=[payload, publication] if task == STORE_BATCH else [payload],
            producer=producer,
            queue=queue,
            **destination(queue),
            declare=[queue],
            serializer="msgpack",
            delivery_mode=2,
            confirm_timeout=CONFIRM_TIMEOUT_S,
            retry=False,
        )

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


_local = threading.local()


def publish_batch(batch: wire.Batch) -> None:
    """Hand a batch on to the collector, from any thread. Raises `PublishError`."""
    if not hasattr(_local, "publisher"):
        _local.publisher = Publisher()
    _local.publisher.publish(STORE_BATCH, settings.COLLECTOR_QUEUE, wire.encode(batch))
