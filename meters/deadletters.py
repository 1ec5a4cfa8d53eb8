"""RabbitMQ's dead letters → quarantine (reliability rows 14, 26).

A message that a worker rejects, or that was delivered twenty times, goes to `telemetry.dlx`. Valkey
knows no such thing: there the agents' receipts alone bring a lost batch back.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from kombu import Exchange, Queue

from meters.models import Quarantine
from meters.store import quarantine
from telemetry_site.celery import app

log = structlog.get_logger(__name__)

DEAD = Queue(
    "telemetry.dead",
    Exchange("telemetry.dlx", type="fanout", durable=True),
    queue_arguments={"x-queue-type": "quorum"},
)
AT_ONCE = 200


def declare() -> None:
    """Make the exchange and its queue, so that nothing is dropped for want of them."""
    if settings.BROKER_IS_AMQP:
        with app.connection_for_write() as link:
            DEAD.bind(link.channel()).declare()


def drain() -> int:
    """Move what is dead into the quarantine; returns how many messages were moved."""
    if not settings.BROKER_IS_AMQP:
        return 0
    moved = 0
    with app.connection_for_read() as link:
        queue = DEAD.bind(link.channel())
        queue.declare()
        while moved < AT_ONCE and (message := queue.get()) is not None:
            _keep(message)
            message.ack()
            moved += 1
    if moved:
        log.warning("dead letters quarantined", messages=moved)
    return moved


def _keep(message: Any) -> None:
    headers = message.headers or {}
    died = (headers.get("x-death") or [{}])[0]
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    detail = f"{died.get('reason', 'dead')} in queue {died.get('queue', '?')}"
    item = quarantine.Item(
        Quarantine.Form.OTHER,
        "crashes_worker" if died.get("reason") == "delivery_limit" else "unknown",
        f"{detail}, task {headers.get('task')}",
        body,
        source="telemetry.dead",
        headers={"content_type": str(message.content_type)},
    )
    with transaction.atomic(), connection.cursor() as cursor:
        quarantine.put(cursor, item)
