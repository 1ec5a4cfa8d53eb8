"""The publishers' queues: one for each target, filled beside the collector's.

RabbitMQ: the queue is bound to the collector's exchange by the collector's key, so the broker
copies each batch, and confirms it when all queues have it. Whoever sends needs no further right.

Valkey: whoever sends pushes the batch to each queue that is listed in the set `publishers`, before
it pushes the collector's. kombu's bindings would not do (docs/decisions/0003), and its consumers
lose what they hold when they are killed; so these lists are ours: a batch is read, delivered, and
only then removed.

A queue is bounded by `TELEMETRY_PUBLISHER_BACKLOG`: the oldest batch makes room for the newest, and
is counted. On RabbitMQ the broker moves it to the queue `publishers.dropped`, on Valkey the sender
counts it in the key `<queue>.dropped`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.conf import settings
from kombu import Connection, Queue
from redis import Redis

PREFIX = "publisher."
#: On Valkey, the set of queues that get every batch.
EVERYTHING = "publishers"
#: Where RabbitMQ puts what had to make room, to be counted.
DROPPED = "publishers.dropped"
#: Giving back a batch while its target is away is no fault of the batch.
ANY_NUMBER = 2**31 - 1


def queue_name(publisher: str) -> str:
    return f"{PREFIX}{publisher}"


def queue_of(publisher: str) -> Queue:
    """With the key by which batches for this publisher alone are sent to it."""
    name = queue_name(publisher)
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": ANY_NUMBER,
        "x-max-length": settings.TELEMETRY_PUBLISHER_BACKLOG,
        "x-overflow": "drop-head",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": DROPPED,
    }
    queue_arguments = arguments if settings.BROKER_IS_AMQP else {}
    return Queue(name, settings.TASK_EXCHANGE, routing_key=name, queue_arguments=queue_arguments)


def dropped_queue() -> Queue:
    arguments = {"x-queue-type": "quorum", "x-max-length": 10_000, "x-max-length-bytes": 64 << 20}
    return Queue(DROPPED, queue_arguments=arguments)


# --- Valkey ------------------------------------------------------------------------------------


def push_to_all(connection: Connection, payload: bytes) -> None:
    for name in ask(connection, "SMEMBERS", EVERYTHING):
        push(connection, name.decode(), payload)


def push(connection: Connection, queue: str, payload: bytes) -> None:
    """The oldest make room where the queue is full."""
    length = ask(connection, "LPUSH", queue, payload)
    over = length - settings.TELEMETRY_PUBLISHER_BACKLOG
    if over > 0:
        gone = ask(connection, "RPOP", queue, over) or ()
        ask(connection, "INCRBY", f"{queue}.dropped", len(gone))


def ask(connection: Connection, command: str, name: str, *arguments: Any) -> Any:
    """One command on a key of ours; kombu's client would add its prefix to some commands only."""
    send: Any = Redis.execute_command
    return send(connection.default_channel.client, command, f"{_prefix()}{name}", *arguments)


def _prefix() -> str:
    return str(settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("global_keyprefix", ""))


# --- both --------------------------------------------------------------------------------------


def forget(connection: Connection, publisher: str) -> None:
    """Take the queue away, with what waits in it."""
    name = queue_name(publisher)
    if settings.BROKER_IS_AMQP:
        with connection.channel() as channel:
            channel.queue_delete(name)
        return
    ask(connection, "SREM", EVERYTHING, name)
    ask(connection, "DEL", name)
    ask(connection, "DEL", f"{name}.dropped")


def take_dropped(connection: Connection, publishers: list[str]) -> Counter[str]:
    """{publisher: batches that had to make room since this was last asked}."""
    if settings.BROKER_IS_AMQP:
        return _dropped_on_rabbit(connection)
    found: Counter[str] = Counter()
    for publisher in publishers:
        count = ask(connection, "GETDEL", f"{queue_name(publisher)}.dropped")
        found[publisher] += int(count or 0)
    return found


def _dropped_on_rabbit(connection: Connection) -> Counter[str]:
    found: Counter[str] = Counter()
    with connection.channel() as channel:
        queue = dropped_queue().bind(channel)
        queue.queue_declare()
        while (message := queue.get()) is not None:
            died = ((message.headers or {}).get("x-death") or [{}])[0]
            found[str(died.get("queue", "")).removeprefix(PREFIX)] += 1
            message.ack()
    return found
