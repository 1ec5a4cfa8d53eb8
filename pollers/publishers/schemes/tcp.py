"""The scheme tcp: each metering message with its length before it, as 8 bytes, least first.

There is no answer either, but the other machine acknowledges bytes: a delivery counts when all of
them are. What the program there had not read when it ended is lost all the same.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
import time
from collections.abc import Sequence

import msgspec
from django.conf import settings

from pollers.publishers.addresses import Address
from pollers.publishers.errors import Unreachable
from pollers.publishers.items import Sample, metering_message
from pollers.publishers.schemes.base import Sink
from telemetry_site.sockets import is_readable

PORT = 4952
CONNECT_S = 5.0
ACKNOWLEDGE_S = 10.0
LOOK_EVERY_S = 0.005


class TcpSink(Sink):
    takes_events = False

    def __init__(self, address: Address, secret: str = "") -> None:
        super().__init__(address, secret)
        self.place = address.host_and_port(PORT)
        self._socket: socket.socket | None = None

    def send_samples(self, samples: Sequence[Sample]) -> None:
        try:
            connected = self._connected()
            connected.sendall(b"".join(map(self._framed, samples)))
            _wait_for_acknowledgement(connected)
        except OSError as error:
            self.close()
            raise Unreachable(error.strerror or str(error) or type(error).__name__) from error

    def _framed(self, sample: Sample) -> bytes:
        message = metering_message(sample, self.secret)
        body = msgspec.msgpack.encode({**message, "publisher_id": settings.TELEMETRY_HOST})
        return struct.pack("<Q", len(body)) + body

    def _connected(self) -> socket.socket:
        """A connection that the other side has not closed meanwhile."""
        if self._socket is not None and is_readable(self._socket.fileno()):
            self.close()  # receivers send nothing: something to read is the end
        if self._socket is None:
            self._socket = socket.create_connection(self.place, CONNECT_S)
            self._socket.settimeout(ACKNOWLEDGE_S)
        return self._socket

    def close(self) -> None:
        closing, self._socket = self._socket, None
        if closing is not None:
            closing.close()


def _wait_for_acknowledgement(connected: socket.socket) -> None:
    """Until the other machine has acknowledged every byte. Raises `OSError`.

    A receiver that ends with bytes unread resets the connection; one that closes it has read them.
    """
    deadline = time.monotonic() + ACKNOWLEDGE_S
    while _unacknowledged(connected):
        if time.monotonic() > deadline:
            raise TimeoutError("what was sent is not acknowledged")
        time.sleep(LOOK_EVERY_S)
    fault = connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if fault:
        raise OSError(fault, os.strerror(fault))


def _unacknowledged(connected: socket.socket) -> int:
    counted = fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    return int(struct.unpack("i", counted)[0])
