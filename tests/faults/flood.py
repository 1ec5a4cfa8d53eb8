"""A flood of notifications, as many services send them: URL RATE.

Sends RATE a second in oslo's envelope, confirmed and durable, by some threads with a connection
each. What the broker does not confirm is sent again with the same `message_id` until it does, as
oslo's driver does, so that every message is promised. On SIGTERM it ends when the last one is
confirmed, and prints how many there were: their ids are `identity(0)`, `identity(1)`, …
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

from amqp.exceptions import MessageNacked
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

THREADS = 4
VOLUMES = 500
EXCHANGE = Exchange("cinder", type="topic", durable=True)
KEY = "notifications.info"
TYPE = "volume.update.end"


def identity(number: int) -> str:
    return f"flood-{number}"


def message(number: int) -> dict[str, Any]:
    """What Cinder says of one of some volumes."""
    return {
        "message_id": identity(number),
        "publisher_id": "volume.storage1@lvm",
        "event_type": TYPE,
        "priority": "INFO",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "payload": {
            "tenant_id": "p1", "user_id": "u1", "volume_id": f"volume-{number % VOLUMES}",
            "volume_type": "t1", "display_name": "data", "status": "available", "size": 1,
            "host": "storage1@lvm#lvm", "availability_zone": "nova",
            "created_at": "2026-11-25T01:59:41.801012+00:00",
        },
    }  # fmt: skip


class Flood:
    def __init__(self, url: str, rate: float) -> None:
        self._url, self._rate = url, rate
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._began = time.monotonic()
        self.sent = 0

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self._stopping.set())
        threads = [threading.Thread(target=self._send_all) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send_all(self) -> None:
        """Each message is made when its time has come, and told until it is confirmed."""
        waiting: dict[str, Any] | None = None
        while waiting is not None or not self._stopping.is_set():
            connection = Connection(
                self._url, transport_options={"confirm_publish": True}, connect_timeout=2
            )
            broken = connection.connection_errors + connection.channel_errors
            try:
                with connection, connection.Producer() as producer:
                    queue = Queue(KEY, EXCHANGE, KEY, durable=True)
                    while waiting is not None or not self._stopping.is_set():
                        waiting = waiting or self._next()
                        envelope = {"oslo.version": "2.0", "oslo.message": json.dumps(waiting)}
                        producer.publish(
                            envelope, exchange=EXCHANGE, routing_key=KEY, declare=[queue],
                            serializer="json", delivery_mode=2, confirm_timeout=10, retry=False,
                        )  # fmt: skip
                        waiting = None
            except (OSError, OperationalError, MessageNacked, *broken):
                time.sleep(0.2)

    def _next(self) -> dict[str, Any]:
        with self._lock:
            number, self.sent = self.sent, self.sent + 1
        time.sleep(max(self._began + number / self._rate - time.monotonic(), 0))
        return message(number)


if __name__ == "__main__":
    flood = Flood(sys.argv[1], float(sys.argv[2]))
    flood.run()
    print(flood.sent, flush=True)
