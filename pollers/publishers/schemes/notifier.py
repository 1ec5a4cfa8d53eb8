"""The scheme notifier: lists of metering messages and of events on a bus, as others' agents send.

``notifier://[user:password@]host[:port][/vhost]?topic=…``: exchange `ceilometer`, key and queue
`<topic>.sample`, oslo's envelope. `topic` may stand several times. The queue is declared, so what
nobody has asked for yet waits there; the broker confirms each message.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from django.conf import settings
from kombu import Connection, Producer

from meters import wire
from pollers.notification.bus import Bus, Layout, bind, bus
from pollers.notification.producer import CONFIRM_TIMEOUT_S, envelope
from pollers.publishers.addresses import Address
from pollers.publishers.errors import TargetError, Unreachable
from pollers.publishers.items import Sample, event_message, metering_message
from pollers.publishers.schemes.base import Sink
from telemetry_site.clock import now
from telemetry_site.declaring import Declarer
from telemetry_site.queues import errors_of

EXCHANGE = "ceilometer"
NAMESPACE = uuid.UUID("54d5f3a8-7d0f-4c0b-8c70-0c3d8b9b8f5e")


class NotifierSink(Sink):
    """`per_meter_topic`: a second message for each meter, whose event type ends with its name.

    `durable` and `quorum` say how the queue is declared, where it is not there yet.
    """

    options = frozenset({"topic", "per_meter_topic", "driver", "tls", "durable", "quorum"})
    needless = frozenset({"policy", "max_queue_length", "max_retry"})

    def __init__(self, address: Address, secret: str = "") -> None:
        super().__init__(address, secret)
        if address.text("driver", "rabbit") != "rabbit":
            raise TargetError("driver=kafka: write kafka://host:9092?topic=… instead")
        quorum = address.flag("quorum")
        self._layout = Layout((), (), durable=address.flag("durable"), quorum=quorum)
        self._bus = _bus(address, self._layout)
        self._topics = address.texts("topic")
        self._per_meter = address.flag("per_meter_topic")
        self._connection: Connection | None = None
        self._declared: set[str] = set()

    def send_samples(self, samples: Sequence[Sample]) -> None:
        messages = [metering_message(one, self.secret) for one in samples]
        self._send(self._topics or ["metering"], "metering", messages)
        if self._per_meter:
            for meter in dict.fromkeys(one.meter for one in samples):
                alike = [one for one in messages if one["counter_name"] == meter]
                self._send(self._topics or ["metering"], f"metering.{meter}", alike)

    def send_events(self, events: Sequence[wire.Event]) -> None:
        messages = [event_message(one, self.secret) for one in events]
        self._send(self._topics or ["event"], "event", messages)

    def _send(self, topics: list[str], event_type: str, payload: list[dict[str, Any]]) -> None:
        inner = {
            "message_id": _identity(event_type, payload),
            "publisher_id": f"telemetry.publisher.{settings.TELEMETRY_HOST}",
            "event_type": event_type,
            "priority": "SAMPLE",
            "payload": payload,
            "timestamp": str(now().replace(tzinfo=None)),
        }
        body = envelope(inner)
        try:
            for topic in topics:
                self._publish(f"{topic}.sample", body)
        except errors_of(self._bus.url) as error:
            self.close()
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    def _publish(self, key: str, body: str) -> None:
        connection = self._connected()
        self._declare_once(connection, key)
        Producer(connection.default_channel, auto_declare=False).publish(
            body, exchange=EXCHANGE, routing_key=key, content_type="application/json",
            content_encoding="utf-8", delivery_mode=2, mandatory=True,
            timeout=CONFIRM_TIMEOUT_S, confirm_timeout=CONFIRM_TIMEOUT_S,
        )  # fmt: skip

    def _declare_once(self, connection: Connection, key: str) -> None:
        """Raises `Unreachable` where exchange, queue or binding is missing and may not be made."""
        if key in self._declared:
            return
        said: list[str] = []
        queue = self._layout.queue(key)
        declarer = Declarer(connection)
        is_there = declarer.declare(
            self._layout.exchange(EXCHANGE).declare, f"exchange {EXCHANGE}", said
        )
        is_there &= declarer.declare(queue.queue_declare, f"queue {key}", said)
        refusal = declarer.refusal(partial(bind, queue, EXCHANGE)) if is_there else said[-1]
        declarer.close()
        if refusal:
            raise Unreachable(refusal)
        self._declared.add(key)

    def _connected(self) -> Connection:
        """A lost connection raises where it is used, and is made anew with the next delivery."""
        if self._connection is None:
            self._connection = self._bus.connection(
                heartbeat=0,
                transport_options={
                    "confirm_publish": True, "read_timeout": 15, "write_timeout": 15,
                },
            )  # fmt: skip
            self._connection.ensure_connection(max_retries=1, interval_start=0)
        return self._connection

    def close(self) -> None:
        closing, self._connection = self._connection, None
        self._declared.clear()
        if closing is not None:
            closing.release()


def _bus(address: Address, layout: Layout) -> Bus:
    """Raises `TargetError`, also where the messages would come back to us."""
    if not address.netloc:
        raise TargetError("the host is missing")
    secured = "amqps" if address.flag("tls") else "amqp"
    login = "guest:guest"
    if address.user:
        login = f"{quote(address.user, safe='')}:{quote(address.password, safe='')}"
    host, port = address.host_and_port(5671 if address.flag("tls") else 5672)
    shown = f"[{host}]" if ":" in host else host
    made = bus(f"{secured}://{login}@{shown}:{port}/{address.path.lstrip('/')}", layout)
    heard = {topic for topic in address.texts("topic") or ["metering", "event"]}
    heard &= set(settings.TELEMETRY_NOTIFICATION_TOPICS)
    if heard and any(_same(one, made.url) for one in settings.TELEMETRY_NOTIFICATION_URLS):
        raise TargetError(f"we listen to {', '.join(sorted(heard))} there: it would come back")
    return made


def _same(url: str, other: str) -> bool:
    """Whether two URLs lead to the same bus."""
    return _place(url) == _place(other)


def _place(url: str) -> tuple[str, str]:
    hosts, _, vhost = url.partition("://")[2].partition("/")
    return hosts.rpartition("@")[2], vhost.partition("?")[0]


def _identity(event_type: str, payload: list[dict[str, Any]]) -> str:
    """The same for the same content: who gets it twice can tell."""
    ids = "\n".join(one["message_id"] for one in payload)
    return str(uuid.uuid5(NAMESPACE, f"{event_type}\n{ids}"))


def decoded(body: str | bytes) -> dict[str, Any]:
    """The message in an envelope."""
    outer = msgspec.json.decode(body)
    inner: dict[str, Any] = msgspec.json.decode(outer["oslo.message"])
    return inner
