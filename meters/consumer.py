"""The collector's Celery consumer: what is no task of ours goes to the quarantine.

Celery itself acknowledges (hence deletes) a message that it can't decode or whose task it does not
know. So each message is looked at before Celery takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection

from meters.foreign import UnacceptableError, check, set_aside
from telemetry_site.consumer import SteadyConsumer


class QuarantiningConsumer(SteadyConsumer):
    """Celery's consumer with a look at each message before it is taken."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        take = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:
            try:
                check(message)
            except UnacceptableError as error:
                self._set_aside(message, error)
            else:
                take(message)

        return on_task_received

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._set_aside(message, UnacceptableError("bad_encoding", str(exc)))

    def _set_aside(self, message: Any, error: UnacceptableError) -> None:
        try:
            set_aside(message, error)
        finally:
            connection.close()  # this process forks its workers: it must hold no connection
