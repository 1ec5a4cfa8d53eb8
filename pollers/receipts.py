"""Receiving receipts: a consumer of the agent's own queue that asks for no acknowledgement.

Losing a receipt is harmless (rule A4): the batch is published again and receipted again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import structlog
from kombu import Consumer
from kombu.mixins import ConsumerMixin

from meters import wire
from telemetry_site.celery import app
from telemetry_site.queues import receipt_queue

log = structlog.get_logger(__name__)


class ReceiptConsumer(ConsumerMixin):  # type: ignore[misc]
    """Runs in a thread; `stop()` ends it within a second."""

    connect_max_retries = None

    def __init__(self, agent_id: str, on_receipts: Callable[[list[wire.Receipt]], None]) -> None:
        self.connection = app.connection_for_read()
        self._queue = receipt_queue(agent_id)
        self._on_receipts = on_receipts
        self._away = False
        self._thread = threading.Thread(target=self.run, name="receipts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.should_stop = True
        self._thread.join(5)

    def get_consumers(self, consumer: type[Consumer], channel: Any) -> list[Consumer]:
        if self._away:
            self._away = False
            log.info("receipts: broker is back")
        return [
            consumer(
                [self._queue],
                on_message=self._on_message,
                no_ack=True,
                accept=["application/x-msgpack"],
            )
        ]

    def on_connection_error(self, exc: Exception, interval: float) -> None:
        if not self._away:
            self._away = True
            log.warning("receipts: broker away", error=str(exc))

    def _on_message(self, message: Any) -> None:
        try:
            receipts = wire.decode_receipts(bytes(message.body))
        except wire.WireError as error:
            log.warning("receipt not readable", error=str(error))
            return
        self._on_receipts(receipts.receipts)
