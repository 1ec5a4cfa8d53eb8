"""Celery's consumer as every worker of ours uses it: it outlives its broker (row 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from celery.worker.consumer import Consumer

log = structlog.get_logger(__name__)


class SteadyConsumer(Consumer):  # type: ignore[misc]
    """Two faults of kombu's Valkey transport after a lost connection would end the worker: each
    wants something of a transport that was let go. The messages come back by themselves.
    """

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Celery 5.7 closes the lost connection twice; the second time fails."""
        release = self.connection.close

        def close() -> None:
            try:
                release()
            except (AttributeError, AssertionError) as error:
                log.debug("lost connection was closed already", error=str(error))

        self.connection.close = close
        super().on_connection_error_after_connected(exc)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """A task that ends after its connection was lost can't be acknowledged any more."""
        take = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:
            answer_while_connected(message)
            take(message)

        return on_task_received


def answer_while_connected(message: Any) -> None:
    """Let the message be acknowledged and rejected only through the connection it came by.

    And where that breaks just then, say so in a line instead of Celery's traceback.
    """
    message.ack_log_error = _while_connected(message, message.ack)
    message.reject_log_error = _while_connected(message, message.reject)


def _while_connected(message: Any, answer: Callable[..., None]) -> Callable[..., None]:
    def answer_if_connected(
        _: Any, connection_errors: tuple[type[Exception], ...], *arguments: Any, **options: Any
    ) -> None:
        task = message.headers.get("id")
        connection = getattr(message.channel, "connection", None)
        # kombu's own transports lose their client when they are let go, py-amqp has none
        if getattr(connection, "client", connection) is None:
            log.info("not acknowledged, its connection is lost", task=task)
            return
        try:
            answer(*arguments, **options)
        except connection_errors as error:
            log.warning("not acknowledged", task=task, error=str(error))

    return answer_if_connected
