"""What publishers hand on, for their tests; and receivers that speak over real sockets."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import msgspec

from meters import wire
from pollers.publishers.items import Sample
from pollers.publishers.targets import target_of

AT_US = 1_795_572_000_250_000


def sample(meter: str = "cpu", resource: str = "r1", volume: float = 1.5, **fields: Any) -> Sample:
    owner = wire.Resource(resource, "p1", "u1", metadata=fields.pop("metadata", {"n": 1}))
    made = Sample(meter, "gauge", "ns", volume, AT_US, owner)
    return replace(made, **fields)


def event(message_id: str = "e1") -> wire.Event:
    traits = [
        wire.Trait("service", "text", "volume.h"),
        wire.Trait("size", "int", 2),
        wire.Trait("load", "float", 0.5),
        wire.Trait("created_at", "datetime", AT_US),
    ]
    raw = {"payload": {"volume_id": message_id}}
    return wire.Event(message_id, "volume.create.end", AT_US, traits, raw)


def sink(url: str, secret: str = "") -> Any:
    made = target_of(url).sink()
    made.secret = secret
    return made


class TcpReceiver:
    """Reads framed messages."""

    def __init__(self, port: int = 0) -> None:
        self.messages: list[dict[str, Any]] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._read, args=[connection], daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection.makefile("rb") as stream:
            while header := stream.read(8):
                (length,) = struct.unpack("<Q", header)
                self.messages.append(msgspec.msgpack.decode(stream.read(length)))


@contextmanager
def tcp_receiver(port: int = 0) -> Iterator[TcpReceiver]:
    made = TcpReceiver(port)
    try:
        yield made
    finally:
        made.close()
