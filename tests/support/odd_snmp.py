"""An SNMP agent of version 2c that answers as a test says: late, wrong, in a circle."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto.api import v2c

from pollers.central.snmp.oids import Oid


class Answer(NamedTuple):
    """`bindings` are (OID, value of the library, or an int or bytes)."""

    bindings: Sequence[tuple[Oid, Any]]
    status: int = 0
    index: int = 0


#: Given whether it is GETBULK and the OIDs asked for; bytes are sent as they are, None is silence.
Behaviour = Callable[[bool, list[Oid]], Answer | bytes | None]


class OddAgent:
    """`requests` counts what came, repetitions included."""

    def __init__(self, behave: Behaviour) -> None:
        self.requests = 0
        self._behave = behave
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.url = f"snmp://127.0.0.1:{self._socket.getsockname()[1]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                datagram, client = self._socket.recvfrom(65535)
            except TimeoutError:
                continue
            self.requests += 1
            answer = self._answer(datagram)
            if answer is not None:
                self._socket.sendto(answer, client)

    def _answer(self, datagram: bytes) -> bytes | None:
        message, _ = decoder.decode(datagram, asn1Spec=v2c.Message())
        asked = v2c.apiMessage.get_pdu(message)
        is_bulk = asked.isSameTypeWith(v2c.GetBulkRequestPDU())
        oids = [tuple(map(int, oid)) for oid, _ in v2c.apiPDU.get_varbinds(asked)]
        answer = self._behave(is_bulk, oids)
        if answer is None or isinstance(answer, bytes):
            return answer
        reply = v2c.ResponsePDU()
        v2c.apiPDU.set_defaults(reply)
        v2c.apiPDU.set_request_id(reply, v2c.apiPDU.get_request_id(asked))
        v2c.apiPDU.set_varbinds(reply, [(oid, _value(value)) for oid, value in answer.bindings])
        v2c.apiPDU.set_error_status(reply, answer.status)
        v2c.apiPDU.set_error_index(reply, answer.index)
        v2c.apiMessage.set_pdu(message, reply)
        return bytes(encoder.encode(message))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


def _value(value: Any) -> Any:
    if isinstance(value, int):
        return v2c.Integer(value)
    return v2c.OctetString(value) if isinstance(value, bytes) else value


@contextmanager
def odd_agent(behave: Behaviour) -> Iterator[OddAgent]:
    agent = OddAgent(behave)
    agent.start()
    try:
        yield agent
    finally:
        agent.stop()
