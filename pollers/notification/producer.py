"""Sending notifications as oslo.messaging does: for trying things out and for tests."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

from kombu import Producer
from kombu.exceptions import OperationalError

from pollers.notification.bus import PRIORITIES, Bus
from telemetry_site.clock import now

CONFIRM_TIMEOUT_S = 10


class SendError(RuntimeError):
    """The bus did not take a notification."""


def fresh(message: dict[str, Any]) -> dict[str, Any]:
    """The same notification as of now, with an identity of its own."""
    moment = now().replace(tzinfo=None)
    return {**message, "message_id": str(uuid.uuid4()), "timestamp": str(moment)}


def envelope(message: dict[str, Any]) -> str:
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)})


def send(bus: Bus, messages: Iterable[dict[str, Any]], exchange: str, topic: str) -> None:
    """Publish with confirmation, declaring what a service would. Raises `SendError`."""
    with bus.connection(heartbeat=0, transport_options={"confirm_publish": True}) as connection:
        broken = (OperationalError, *connection.connection_errors, *connection.channel_errors)
        try:
            connection.ensure_connection(max_retries=1)
            producer = Producer(connection.channel(), auto_declare=False)
            for message in messages:
                _publish(producer, bus, message, exchange, topic)
        except broken as error:
            raise SendError(str(error) or type(error).__name__) from error


def _publish(producer: Any, bus: Bus, message: dict[str, Any], exchange: str, topic: str) -> None:
    priority = str(message.get("priority") or "INFO").lower()
    name = f"{topic}.{priority if priority in PRIORITIES else 'info'}"
    queue = bus.layout.queue(name)
    bus.layout.exchange(exchange).declare(channel=producer.channel)
    queue.queue_declare(channel=producer.channel)
    queue.bind_to(exchange=exchange, routing_key=name, channel=producer.channel)
    producer.publish(
        envelope(message),
        exchange=exchange,
        routing_key=name,
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2,
        mandatory=True,
        confirm_timeout=CONFIRM_TIMEOUT_S,
    )
