"""The two brokers behind one face: what a test asks of them, or does to them, by the queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from amqp.exceptions import NotFound
from django.conf import settings
from kombu import Connection, Queue

from telemetry_site import publishing
from telemetry_site.batchmessage import batch_in
from telemetry_site.embedded.valkey import EmbeddedValkey
from tests.faults.proxy import Address
from tests.rabbitmq import RabbitNode

PREFIX = "telemetry:"
#: See `watch`.
WATCH = publishing.queue_name("watch")
#: Properties of an AMQP message that kombu takes by name.
NAMED_PROPERTIES = ("priority", "content_type", "content_encoding", "headers")


class Broker(Protocol):
    """`address` is where it listens; `url(through)` is how a client gets there by a proxy."""

    name: str

    @property
    def address(self) -> Address: ...

    def listen_address(self, edge: str) -> Address:
        """Where a proxy of this edge listens: of the same family as the broker itself."""

    def url(self, through: Address) -> str: ...

    def start(self, log: IO[bytes]) -> None: ...

    def stop(self) -> None: ...

    def shut_down(self) -> None:
        """The server ends, in order: what it has stays on its disk."""

    def come_up(self, log: IO[bytes]) -> None:
        """The server that was shut down answers again, with all that it had."""

    def flush(self) -> None:
        """The broker forgets every message that waits."""

    def waiting(self, queue: str) -> int:
        """Messages that no consumer has taken."""

    def unacknowledged(self, queue: str) -> int:
        """Messages that a consumer has taken and not acknowledged."""

    def repeat(self, queue: str, copies: int) -> list[Any]:
        """Send each waiting message `copies` times more; returns what `send_again` takes."""

    def send_again(self, queue: str, messages: list[Any]) -> None: ...

    def connection(self) -> Connection:
        """kombu's, past the proxies, for messages that no program of ours would send."""

    def watch(self) -> None:
        """From now on keep a copy of each batch that is published, in a queue that nobody empties:
        that of a publisher which never ran."""

    def watched(self) -> list[bytes]:
        """The batches published since `watch`, in their order; call it once."""


class ValkeyBroker:
    """The embedded server, one a cluster."""

    name = "valkey"

    def __init__(self, home: Path) -> None:
        self.server = EmbeddedValkey(home)
        self._home = home

    @property
    def address(self) -> Address:
        return self.server.socket

    def listen_address(self, edge: str) -> Address:
        return self._home / "run" / f"{edge}.sock"

    def url(self, through: Address) -> str:
        return f"redis+socket://{through}?virtual_host=0"

    def start(self, log: IO[bytes]) -> None:
        self.server.start(log)

    def stop(self) -> None:
        self.server.stop()

    def shut_down(self) -> None:
        self.server.stop()

    def come_up(self, log: IO[bytes]) -> None:
        self.server.start(log)

    @contextmanager
    def client(self) -> Iterator[Any]:
        client = self.server.client()
        try:
            yield client
        finally:
            client.close()

    def flush(self) -> None:
        """FLUSHALL: queues, bindings and what was taken and not acknowledged go as well."""
        with self.client() as client:
            client.flushall()

    def waiting(self, queue: str) -> int:
        with self.client() as client:
            return int(client.llen(PREFIX + queue))

    def unacknowledged(self, queue: str) -> int:
        """Of all queues: kombu keeps one hash."""
        with self.client() as client:
            return int(client.hlen(f"{PREFIX}unacked"))

    def blocked_in_brpop(self) -> bool:
        """Whether a worker waits inside BRPOP at this moment."""
        with self.client() as client:
            return any(
                one["cmd"] == "brpop" and "b" in one["flags"] for one in client.client_list()
            )

    def repeat(self, queue: str, copies: int) -> list[Any]:
        with self.client() as client:
            messages = client.lrange(PREFIX + queue, 0, -1)
        for _ in range(copies):
            self.send_again(queue, messages)
        return list(messages)

    def send_again(self, queue: str, messages: list[Any]) -> None:
        with self.client() as client:
            for message in messages:
                client.lpush(PREFIX + queue, message)

    def connection(self) -> Connection:
        options = {"global_keyprefix": PREFIX}
        return Connection(self.url(self.address), transport_options=options)

    def watch(self) -> None:
        with self.client() as client:
            client.sadd(PREFIX + publishing.EVERYTHING, WATCH)

    def watched(self) -> list[bytes]:
        with self.client() as client:
            newest_first: list[bytes] = client.lrange(PREFIX + WATCH, 0, -1)
        return newest_first[::-1]


class RabbitBroker:
    """A virtual host of the node that the pytest process shares."""

    name = "rabbitmq"

    def __init__(self, node: RabbitNode, vhost: str) -> None:
        self._node = node
        self._vhost = vhost
        self._url = node.add_vhost(vhost)

    @property
    def address(self) -> Address:
        return "127.0.0.1", self._node.port

    def listen_address(self, edge: str) -> Address:
        return "127.0.0.1", 0

    def url(self, through: Address) -> str:
        assert not isinstance(through, Path)
        return urlsplit(self._url)._replace(netloc=f"guest:guest@127.0.0.1:{through[1]}").geturl()

    def start(self, log: IO[bytes]) -> None:
        """The node runs already."""

    def stop(self) -> None:
        """The next test has a virtual host of its own."""

    def shut_down(self) -> None:
        self._node.stop()

    def come_up(self, log: IO[bytes]) -> None:
        self._node.start()

    def flush(self) -> None:
        with self.connection() as connection, connection.channel() as channel:
            for queue in self._queues:
                channel.queue_purge(queue)

    def waiting(self, queue: str) -> int:
        with self.connection() as connection, connection.channel() as channel:
            try:
                return int(channel.queue_declare(queue, passive=True).message_count)
            except NotFound:  # nobody has declared it yet
                return 0

    def unacknowledged(self, queue: str) -> int:
        listed = self._node.control(
            "list_queues", "-p", self._vhost, "name", "messages_unacknowledged",
            "--no-table-headers",
        )  # fmt: skip
        rows = (line.split() for line in listed.splitlines())
        return sum(int(count) for name, count in rows if name == queue)

    @cached_property
    def _queues(self) -> list[str]:
        """All but the private ones of Celery's remote control. Asked once: it takes a second."""
        listed = self._node.control(
            "list_queues", "-p", self._vhost, "name", "exclusive", "--no-table-headers"
        )
        rows = listed.splitlines()
        return [row.removesuffix("\tfalse") for row in rows if row.endswith("\tfalse")]

    def repeat(self, queue: str, copies: int) -> list[Any]:
        """What waits is taken and sent 1 + `copies` times: a quorum queue can't be read only."""
        messages = []
        with self.connection() as connection, connection.channel() as channel:
            while (message := channel.basic_get(queue, no_ack=True)) is not None:
                messages.append((message.body, message.properties))
        for _ in range(copies + 1):
            self.send_again(queue, messages)
        return messages

    def send_again(self, queue: str, messages: list[Any]) -> None:
        with self.connection() as connection:
            channel = connection.channel()
            for body, properties in messages:
                rest = {**properties, "headers": properties.get("application_headers")}
                rest.pop("application_headers", None)
                named = {name: rest.pop(name, None) for name in NAMED_PROPERTIES}
                made = channel.prepare_message(body, **named, properties=rest)
                channel.basic_publish(made, exchange="", routing_key=queue, mandatory=True)

    def connection(self) -> Connection:
        return Connection(self._url, transport_options={"confirm_publish": True})

    def watch(self) -> None:
        """On the collector's exchange, where the broker itself makes the copies."""
        arguments = {"x-queue-type": "quorum"}
        key = settings.COLLECTOR_QUEUE.routing_key
        queue = Queue(WATCH, settings.INGEST_EXCHANGE, key, queue_arguments=arguments)
        with self.connection() as connection:
            queue.bind(connection.channel()).declare()

    def watched(self) -> list[bytes]:
        found = []
        with self.connection() as connection:
            queue = Queue(WATCH, no_ack=True).bind(connection.channel())
            accept = settings.CELERY_ACCEPT_CONTENT
            while (message := queue.get(no_ack=True, accept=accept)) is not None:
                batch = batch_in(message)
                if batch is not None:  # else a heartbeat
                    found.append(batch[0])
        return found
