"""The scheme kafka: one record a sample or event, JSON, confirmed by all replicas in step.

``kafka://[user:password@]host[:port][,host[:port]…]/?topic=…``. A record's key is the resource's id
(of an event: its message's), so what is of one resource keeps its order. The client library comes
with the extra `kafka`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from meters import wire
from pollers.publishers.addresses import ESCAPES, Address
from pollers.publishers.errors import Refused, TargetError, Unreachable
from pollers.publishers.items import Sample, event_message, metering_message
from pollers.publishers.schemes.base import Sink

try:
    import confluent_kafka
except ImportError:  # the extra is not installed
    confluent_kafka = None  # type: ignore[assignment]

TOPIC = "ceilometer"
PORT = 9092
#: A record is given up by the client after so long, and the delivery tried again later.
PATIENCE_S = 15.0
_TOO_LARGE = frozenset({"MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "RECORD_LIST_TOO_LARGE"})
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class KafkaSink(Sink):
    """`tls` and `cafile` for a secured broker, `mechanism` for the login of the URL."""

    options = frozenset({"topic", "tls", "cafile", "mechanism"})
    needless = frozenset({"policy", "max_queue_length", "max_retry"})
    most = 10_000

    def __init__(self, address: Address, secret: str = "") -> None:
        super().__init__(address, secret)
        if confluent_kafka is None:
            raise TargetError("the extra is missing: pip install telemetry[kafka]")
        self.topic = address.text("topic", TOPIC) or TOPIC
        self._settings = _client_settings(address)
        self._producer: Any = None

    def send_samples(self, samples: Sequence[Sample]) -> None:
        self._send([(one.resource.id, metering_message(one, self.secret)) for one in samples])

    def send_events(self, events: Sequence[wire.Event]) -> None:
        self._send([(one.message_id, event_message(one, self.secret)) for one in events])

    def _send(self, records: list[tuple[str, dict[str, Any]]]) -> None:
        """Returns when the brokers have confirmed each record."""
        faults: list[Any] = []

        def confirmed(error: Any, _message: Any) -> None:
            if error is not None:
                faults.append(error)

        producer = self._connected()
        try:
            for key, document in records:
                producer.produce(
                    self.topic, msgspec.json.encode(document), key.encode(), on_delivery=confirmed
                )
            left = producer.flush(PATIENCE_S + 5)
        except confluent_kafka.KafkaException as error:
            faults.append(error.args[0])
            left = 0
        except BufferError:
            left = len(records)
        if faults or left:
            self.close()
            raise _fault(faults)

    def _connected(self) -> Any:
        if self._producer is None:
            self._producer = confluent_kafka.Producer(self._settings)
        return self._producer

    def close(self) -> None:
        """What was not confirmed is forgotten: it is delivered again."""
        closing, self._producer = self._producer, None
        if closing is not None:
            closing.purge()
            closing.flush(1)


def _fault(faults: list[Any]) -> Refused | Unreachable:
    """A record that no broker takes condemns the delivery only where nothing else is wrong."""
    if not faults:
        return Unreachable("the brokers have not confirmed in time")
    others = [one for one in faults if one.name() not in _TOO_LARGE]
    worst = (others or faults)[0]
    return (Unreachable if others else Refused)(f"{worst.name()}: {worst.str()}")


def _client_settings(address: Address) -> dict[str, Any]:
    """Raises `TargetError`."""
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(_servers(address)),
        "acks": "all",
        "enable.idempotence": True,
        "message.timeout.ms": int(PATIENCE_S * 1000),
        "linger.ms": 5,
        "log_level": 0,
    }
    if address.text("cafile"):
        settings["ssl.ca.location"] = address.file("cafile")
    tls = address.flag("tls")
    if not address.user:
        settings["security.protocol"] = "SSL" if tls else "PLAINTEXT"
        return settings
    mechanism = address.text("mechanism", "PLAIN").upper()
    if mechanism not in MECHANISMS:
        raise TargetError(f"mechanism={mechanism:.40} is not one of {', '.join(MECHANISMS)}")
    return settings | {
        "security.protocol": "SASL_SSL" if tls else "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": address.user,
        "sasl.password": address.password,
    }


def _servers(address: Address) -> list[str]:
    """Raises `TargetError`."""
    found = []
    for place in address.netloc.split(","):
        host, _, port = (
            place.rpartition(":") if place.rpartition(":")[2].isdigit() else (place, "", "")
        )
        if not host:
            raise TargetError("the host is missing")
        if not 1 <= int((port or str(PORT))[:6]) <= 65535 or (":" in host and host[0] != "["):
            raise TargetError(f"a host has no port from 1 to 65535{ESCAPES}")
        found.append(f"{host}:{port or PORT}")
    return found
