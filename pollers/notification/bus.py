"""A notification bus: its address, its exchanges and queues, declared as oslo.messaging does.

Each exchange is a topic exchange named like the sender's `control_exchange`; for each topic and
priority there is ONE queue `<topic>.<priority>`, bound to every exchange with its own name as the
key. Senders declare the same, so both sides must agree on durability; where they do not, or where
we may not declare, the objects are taken as they are (passively).
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from kombu import Connection, Exchange, Queue
from kombu.transport.pyamqp import Connection as AmqpConnection
from kombu.transport.pyamqp import Transport

from pollers.notification.frames import frame_handler
from telemetry_site.declaring import Declarer

PRIORITIES = ("audit", "debug", "info", "warn", "error", "critical", "sample")
HEARTBEAT_S = 30
CONNECT_TIMEOUT_S = 5

_SCHEME = re.compile(r"[a-z][a-z0-9+]*://")
_AMQP = {"amqp": "amqp", "pyamqp": "amqp", "rabbit": "amqp", "kombu": "amqp", "amqps": "amqps"}


@dataclass(frozen=True)
class Layout:
    """What is declared on a bus."""

    exchanges: tuple[str, ...]
    topics: tuple[str, ...]
    durable: bool = False
    quorum: bool = False

    def exchange(self, name: str) -> Exchange:
        return Exchange(name, type="topic", durable=self.durable or self.quorum, auto_delete=False)

    def queue(self, name: str) -> Queue:
        arguments = {"x-queue-type": "quorum"} if self.quorum else {}
        return Queue(
            name,
            exchange=None,
            routing_key=name,
            durable=self.durable or self.quorum,
            auto_delete=False,
            queue_arguments=arguments,
        )

    @property
    def queue_names(self) -> list[str]:
        return [f"{topic}.{priority}" for topic in self.topics for priority in PRIORITIES]


class _Connection(AmqpConnection):  # type: ignore[misc]
    """Outlives messages whose properties can't be read."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, frame_handler=frame_handler, **options)


class _Transport(Transport):  # type: ignore[misc]
    """Checks the name in a broker's certificate, of each host of a URL by its own."""

    Connection = _Connection

    def establish_connection(self) -> Any:
        if self.client.ssl:
            self.client.ssl = {**self.client.ssl, "server_hostname": self.client.hostname}
        return super().establish_connection()


@dataclass(frozen=True)
class Bus:
    """`name` is the address without user and password; `url` is what kombu connects to.

    With `amqps` brokers must show a certificate of `ca_file`, else of an authority that the system
    trusts; we show ours, `cert_file` with `key_file`, to those that ask.
    """

    name: str
    url: str
    layout: Layout
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    def connection(self, **options: Any) -> Connection:
        tls: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED}
        if self.ca_file:
            tls["ca_certs"] = self.ca_file
        if self.cert_file:
            tls |= {"certfile": self.cert_file, "keyfile": self.key_file or None}
        options = {"heartbeat": HEARTBEAT_S, "connect_timeout": CONNECT_TIMEOUT_S, **options}
        secured = self.url.startswith("amqps")
        return Connection(self.url, transport=_Transport, ssl=tls if secured else False, **options)


def default_layout() -> Layout:
    return Layout(
        exchanges=tuple(settings.TELEMETRY_NOTIFICATION_EXCHANGES),
        topics=tuple(settings.TELEMETRY_NOTIFICATION_TOPICS),
        durable=settings.TELEMETRY_NOTIFICATION_DURABLE,
        quorum=settings.TELEMETRY_NOTIFICATION_QUORUM,
    )


def buses() -> list[Bus]:
    """The buses of `TELEMETRY_NOTIFICATION_URLS`. Raises `ImproperlyConfigured`."""
    layout = default_layout()
    return [bus(url, layout) for url in _whole_urls(settings.TELEMETRY_NOTIFICATION_URLS)]


def bus(url: str, layout: Layout) -> Bus:
    """A bus of a URL in kombu's form, or oslo's (`rabbit://u:p@h1:5672,u:p@h2:5672/vhost`)."""
    scheme, _, rest = url.partition("://")
    if scheme not in _AMQP or not rest:
        shown = f", not {scheme[:20]!r}…" if rest else ""
        raise ImproperlyConfigured(
            f"a notification URL must look like amqp://user:password@host:5672/vhost{shown}"
        )
    hosts, _, vhost = rest.partition("/")
    urls = [f"{_AMQP[scheme]}://{host}/{vhost}" for host in hosts.split(",")]
    try:
        if "#" in hosts or "?" in hosts:
            raise ValueError("no part of a host")
        places = [_place(each) for each in urls]
    except ValueError:
        # Its text may hold a part of the password.
        raise ImproperlyConfigured(
            "a notification URL has no valid host and port (in a password, write / ? # @ as "
            "%2F %3F %23 %40)"
        ) from None
    name = f"amqp://{','.join(places)}/{vhost.partition('?')[0]}"
    return Bus(
        name, ";".join(urls), layout, settings.TELEMETRY_NOTIFICATION_CACERT,
        settings.TELEMETRY_NOTIFICATION_CERT_FILE, settings.TELEMETRY_NOTIFICATION_KEY_FILE,
    )  # fmt: skip


def _place(url: str) -> str:
    """`host:port`, nothing else of a URL may be shown."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("the host is missing")
    return f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}"


def _whole_urls(pieces: list[str]) -> list[str]:
    """oslo's URLs hold commas themselves: a piece without scheme belongs to the one before."""
    urls: list[str] = []
    for piece in filter(None, map(str.strip, pieces)):
        if urls and not _SCHEME.match(piece):
            urls[-1] += f",{piece}"
        else:
            urls.append(piece)
    return urls


def declare(connection: Connection, layout: Layout) -> tuple[list[Queue], list[str]]:
    """Declare everything; ([queues to consume], [what is not as configured, in words])."""
    said: list[str] = []
    declarer = Declarer(connection)
    exchanges = [
        name
        for name in layout.exchanges
        if declarer.declare(layout.exchange(name).declare, f"exchange {name}", said)
    ]
    queues = [
        queue
        for queue in map(layout.queue, layout.queue_names)
        if declarer.declare(queue.queue_declare, f"queue {queue.name}", said)
    ]
    for queue in queues:
        for name in exchanges:
            refusal = declarer.refusal(partial(bind, queue, name))
            if refusal:
                said.append(f"queue {queue.name} is not bound to {name}: {refusal}")
    declarer.close()
    return queues, said


def bind(queue: Queue, exchange: str, channel: Any) -> None:
    """By the queue's own name."""
    queue.bind_to(exchange=exchange, routing_key=queue.name, channel=channel)
