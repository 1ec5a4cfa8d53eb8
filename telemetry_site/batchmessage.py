"""The batch in a message of the collector's queue, and of the publishers' queues on RabbitMQ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kombu import Connection, Queue
from kombu.exceptions import KombuError

from telemetry_site.celery import app
from telemetry_site.queues import destination

STORE_BATCH = "meters.tasks.store_batch"
CONFIRM_TIMEOUT_S = 10


def batch_in(message: Any) -> tuple[bytes, int] | None:
    """(batch, which publication of it) of a Celery message (protocol 2); None for anything else."""
    if (message.headers or {}).get("task") != STORE_BATCH:
        return None
    try:
        args, kwargs, _ = message.payload
        payload, publication = args if len(args) == 2 else (args[0], kwargs.get("publication", 1))
    except (KombuError, ValueError, TypeError, AttributeError, IndexError):
        return None
    if not isinstance(payload, bytes) or not isinstance(publication, int):
        return None
    return payload, publication


def send(
    connection: Connection, task: str, args: Sequence[Any], queue: Queue, declare: Sequence[Queue]
) -> None:
    """Send one task over a connection, as durable as the broker can: confirmed, mandatory, named by
    exchange and key. Raises `telemetry_site.queues.broker_errors()`."""
    app.send_task(
        task,
        args=args,
        producer=app.amqp.Producer(connection, auto_declare=False),
        queue=queue,
        **destination(queue),
        declare=declare,
        serializer="msgpack",
        delivery_mode=2,
        confirm_timeout=CONFIRM_TIMEOUT_S,
        retry=False,
    )
