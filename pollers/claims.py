"""Which agent polls a source for a slot: the first one that claims it at the broker (rule A11).

A claim ends by itself. The source is polled again only if its agent died: then the claim runs out
(Valkey) or the broker hands the dead agent's message on (RabbitMQ).
"""

from __future__ import annotations

import structlog
from amqp.exceptions import MessageNacked
from django.conf import settings
from kombu import Connection, Exchange, Producer, Queue

from pollers.urls import file_name
from telemetry_site.celery import app
from telemetry_site.queues import answering, broker_errors

log = structlog.get_logger(__name__)

PATIENCE_S = 3.0
#: Of its own: whoever may write to the default exchange reaches every queue (S34).
EXCHANGE = Exchange("telemetry.claims", type="direct", durable=True)


def claim(source: str, slot: float, lease_s: float, interval_s: float) -> bool:
    """Whether this agent may poll `source` for `slot`, for the next `lease_s`.

    Where the broker can't say, it may: a poll too many does no harm, since samples of one slot
    have one time.
    """
    name = f"claim.{file_name(source)}.{slot:.3f}"
    try:
        with answering(app, PATIENCE_S) as connection:
            if settings.BROKER_IS_AMQP:
                return _put_alone(connection, name, interval_s)
            return _set(connection, name, lease_s)
    except broker_errors() as error:
        log.debug("poll without a claim: the broker is away", source=source, error=str(error))
        return True


def keep(source: str, slot: float, interval_s: float) -> None:
    """The poll is done: nobody repeats it. On RabbitMQ the claim stays anyway."""
    if settings.BROKER_IS_AMQP:
        return
    name = f"claim.{file_name(source)}.{slot:.3f}"
    try:
        with answering(app, PATIENCE_S) as connection:
            client = connection.default_channel.client
            client.set(name, "done", px=round(interval_s * 2000))
    except broker_errors() as error:
        log.debug("the claim was not kept", source=source, error=str(error))


def _set(connection: Connection, name: str, lease_s: float) -> bool:
    """A key of Valkey that only the first can set."""
    client = connection.default_channel.client
    return bool(client.set(name, "claimed", nx=True, px=round(lease_s * 1000)))


def _put_alone(connection: Connection, name: str, interval_s: float) -> bool:
    """A queue of RabbitMQ that holds one message and refuses the second; it goes when unused."""
    arguments = {
        "x-max-length": 1, "x-overflow": "reject-publish", "x-expires": round(interval_s * 2000),
    }  # fmt: skip
    queue = Queue(name, EXCHANGE, routing_key=name, durable=True, queue_arguments=arguments)
    with connection.channel() as channel:
        producer = Producer(channel)
        try:
            producer.publish(b"", exchange=EXCHANGE, routing_key=name, declare=[queue], retry=False,
                             content_type="application/data", content_encoding="binary",
                             confirm_timeout=PATIENCE_S)  # fmt: skip
        except MessageNacked:
            return False
    return True
