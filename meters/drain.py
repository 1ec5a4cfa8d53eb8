"""Folding: when the collector is behind, one transaction takes several waiting messages.

Celery hands a worker one message at a time. This takes more of them straight from the queue, by
`basic_get` on a channel of the process's own, and acknowledges them after the commit, as Celery
does with the first. A process killed meanwhile leaves them unacknowledged, so they come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.conf import settings

from meters.deliveries import Delivery
from meters.foreign import UnacceptableError, check, set_aside
from telemetry_site.batchmessage import batch_in
from telemetry_site.celery import app
from telemetry_site.queues import broker_errors

log = structlog.get_logger(__name__)

#: Messages in one transaction beside the first, and their size: memory stays bounded (O4).
MOST_MESSAGES = 15
MOST_BYTES = 8 << 20


class _Channel:
    """This process's connection for draining; opened at first use, hence after the fork."""

    def __init__(self) -> None:
        self.connection: Any = None
        self._queue: Any = None

    def get(self) -> Any:
        """The next message, or None where nothing waits."""
        if self._queue is None:
            self.connection = app.connection_for_read()
            self._queue = settings.COLLECTOR_QUEUE.bind(self.connection.channel())
        return self._queue.get(accept=settings.CELERY_ACCEPT_CONTENT)

    def close(self) -> None:
        connection, self.connection, self._queue = self.connection, None, None
        if connection is not None:
            connection.release()


_channel = _Channel()


@contextmanager
def waiting_messages(again: bool) -> Iterator[list[Delivery]]:
    """What waits in the queue; acknowledged when the block ends well, else given back.

    Nothing beside a message that came `again`, and nothing after one: it is stored alone, so to
    hold others would gain nothing, and a worker that dies of it would take them along (on Valkey
    until their agents publish them once more, each time after twice as long).
    """
    taken = [] if again else _take()
    try:
        yield [delivery for _, delivery in taken]
    except BaseException:
        _settle(taken, "requeue")
        raise
    _settle(taken, "ack")


def _take() -> list[tuple[Any, Delivery]]:
    taken: list[tuple[Any, Delivery]] = []
    size = 0
    try:
        while len(taken) < MOST_MESSAGES and size < MOST_BYTES:
            message = _channel.get()
            if message is None:
                break
            delivery = _delivery(message)
            if delivery is None:
                if _is_other_task(message):
                    message.requeue()
                    break
                continue
            taken.append((message, delivery))
            size += len(delivery.payload)
            if delivery.again:
                break
    except broker_errors() as error:
        log.info("no messages folded in", error=str(error))
        _channel.close()
    return taken


def _delivery(message: Any) -> Delivery | None:
    found = batch_in(message)
    if found is None:
        return None
    payload, publication = found
    redelivered = bool((message.delivery_info or {}).get("redelivered"))
    return Delivery(payload, redelivered or publication > 1)


def _is_other_task(message: Any) -> bool:
    """Whether Celery's own consumer can take it; what nobody can take is put into quarantine.

    Here and not there: on Valkey what is given back goes behind all that waits, so a collector
    that is behind would pass it round for ever.
    """
    try:
        check(message)
    except UnacceptableError as error:
        set_aside(message, error)
        return False
    return True


def _settle(taken: list[tuple[Any, Delivery]], how: str) -> None:
    """Acknowledge or give back. A lost connection gives back by itself, which is harmless."""
    try:
        for message, _ in taken:
            getattr(message, how)()
    except broker_errors() as error:
        log.warning("broker away while settling", messages=len(taken), how=how, error=str(error))
        _channel.close()
