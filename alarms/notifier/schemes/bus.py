"""The operator's bus: actions ``queue://NAME``, and the changes of alarms as OpenStack tells them.

Both go to one durable topic exchange, each to the queue of its routing key's name, which is
declared first: so what nobody has asked for yet waits there. RabbitMQ confirms each message.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from django.conf import settings
from kombu import Connection

from alarms.errors import ActionError
from alarms.notifier.message import Message
from alarms.notifier.outcome import SHOWN_ANSWER, Outcome
from pollers.notification.bus import Layout, bind, bus
from telemetry_site import clock
from telemetry_site.declaring import Declarer
from telemetry_site.queues import errors_of

PATIENCE_S = 5
CHANGES = "bus"
_QUEUE = re.compile(r"queue://([A-Za-z0-9_.-]{1,100})/?", re.IGNORECASE)


def is_enabled() -> bool:
    return bool(settings.TELEMETRY_ALARM_BUS_URL)


def is_open(url: str) -> bool:
    """Whether the operator lets everybody name this queue."""
    found = _QUEUE.fullmatch(url)
    return found is not None and found[1] in settings.TELEMETRY_ALARM_QUEUES


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    if not _QUEUE.fullmatch(url):
        raise ActionError("bad_url", "must be queue:// and a name of letters, digits, '_.-'")


def send(message: Message) -> Outcome:
    """aodh's body as it is, or in the envelope in which its evaluator tells its notifier."""
    found = _QUEUE.fullmatch(message.url)
    if not found:
        return Outcome("bad_url", is_final=True)
    body = json.loads(message.body)
    if settings.TELEMETRY_ALARM_BUS_OSLO:
        payload = {"actions": [message.url], **body}
        body = _envelope(message, "alarm.update", "alarming.evaluator", "SAMPLE", payload)
    return _publish(message, found[1], body)


def send_change(message: Message) -> Outcome:
    """The job ``bus:``; its body is {event_type, publisher_id, payload}."""
    told = json.loads(message.body)
    body = _envelope(message, told["event_type"], told["publisher_id"], "INFO", told["payload"])
    return _publish(message, f"{settings.TELEMETRY_ALARM_BUS_TOPIC}.info", body)


def _envelope(
    message: Message, event_type: str, publisher_id: str, priority: str, payload: dict[str, Any]
) -> dict[str, str]:
    """oslo's, version 2.0. The message's id is the notification's, the same for each attempt."""
    inner = {
        "message_id": str(message.id),
        "publisher_id": publisher_id,
        "event_type": event_type,
        "priority": priority,
        "payload": payload,
        "timestamp": clock.now().strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    return {"oslo.version": "2.0", "oslo.message": json.dumps(inner)}


def _publish(message: Message, key: str, body: dict[str, Any]) -> Outcome:
    url = settings.TELEMETRY_ALARM_BUS_URL
    is_amqp = not url.startswith("redis")
    address = bus(url, _LAYOUT).url if is_amqp else url
    limits = {"socket_timeout": PATIENCE_S, "socket_connect_timeout": PATIENCE_S}
    options = {"confirm_publish": True} if is_amqp else limits
    try:
        with Connection(
            address, connect_timeout=PATIENCE_S, heartbeat=0, transport_options=options
        ) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
            missing = _declare(connection, key)
            if missing:
                return Outcome("broker", answer=missing[:SHOWN_ANSWER])
            connection.Producer(auto_declare=False).publish(
                body, exchange=settings.TELEMETRY_ALARM_BUS_EXCHANGE, routing_key=key,
                serializer="json", delivery_mode=2, message_id=str(message.id),
                mandatory=is_amqp, timeout=PATIENCE_S, confirm_timeout=PATIENCE_S,
            )  # fmt: skip
    except errors_of(address) as error:
        return Outcome("broker", answer=f"{type(error).__name__}: {error}"[:SHOWN_ANSWER])
    return Outcome()


_LAYOUT = Layout((), (), durable=True)


def _declare(connection: Connection, key: str) -> str:
    """Exchange, queue and binding as they are or new; what is missing, in words."""
    said: list[str] = []
    name = settings.TELEMETRY_ALARM_BUS_EXCHANGE
    queue = _LAYOUT.queue(key)
    declarer = Declarer(connection)
    is_there = declarer.declare(_LAYOUT.exchange(name).declare, f"exchange {name}", said)
    is_there &= declarer.declare(queue.queue_declare, f"queue {key}", said)
    refusal = declarer.refusal(partial(bind, queue, name)) if is_there else said[-1]
    declarer.close()
    return refusal
