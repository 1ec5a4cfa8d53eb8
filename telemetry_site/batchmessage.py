"""The batch in a message of the collector's queue, and of the publishers' queues on RabbitMQ."""

from __future__ import annotations

from typing import Any

from kombu.exceptions import KombuError

STORE_BATCH = "meters.tasks.store_batch"


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
