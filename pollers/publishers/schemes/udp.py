"""The scheme udp: a datagram a sample, msgpack of the metering message.

UDP has no answer: what was sent counts as delivered. Only where the other side's kernel says that
nobody listens (on this machine, and on many networks) does the batch wait.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

import msgspec

from pollers.publishers.addresses import Address
from pollers.publishers.errors import Refused, Unreachable
from pollers.publishers.items import Sample, metering_message
from pollers.publishers.schemes.base import Sink

PORT = 4952
#: What fits a datagram of IPv4.
MOST_BYTES = 65_507
#: So long an answer "nobody listens" may take.
OBJECTION_S = 0.02


class UdpSink(Sink):
    takes_events = False
    #: Datagrams in a row: a receiver's buffer holds some hundred.
    most = 100

    def __init__(self, address: Address, secret: str = "") -> None:
        super().__init__(address, secret)
        self.place = address.host_and_port(PORT)

    def send_samples(self, samples: Sequence[Sample]) -> None:
        datagrams = [msgspec.msgpack.encode(metering_message(one, self.secret)) for one in samples]
        for datagram in datagrams:
            if len(datagram) > MOST_BYTES:
                raise Refused(f"{len(datagram)} bytes do not fit a datagram")
        try:
            self._send(datagrams)
        except OSError as error:
            raise Unreachable(error.strerror or type(error).__name__) from error

    def _send(self, datagrams: Sequence[bytes]) -> None:
        """Connected, so that the kernel hands us what the network says of it."""
        found = socket.getaddrinfo(*self.place, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, place = found[0]
        with socket.socket(family, kind, protocol) as sender:
            sender.connect(place)
            for datagram in datagrams:
                sender.send(datagram)
            sender.settimeout(OBJECTION_S)
            try:
                sender.recv(1)
            except TimeoutError:
                return
