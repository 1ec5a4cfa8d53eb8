"""What Celery says about a broker that is away: each thing once in ten minutes, in one line (A8).

Left to itself a beat writes its call stack and four tracebacks for every tick of an outage.
"""

from __future__ import annotations

import logging
import time

from celery.exceptions import Reject
from kombu.exceptions import OperationalError

REPEAT_AFTER_S = 600.0
_SPEAKERS = ("celery.beat", "celery.worker.consumer", "celery.worker.request", "kombu")
_SUBJECTS = ("onnection", "Cannot connect")


class Outages(logging.Filter):
    """For a handler. A new connection clears what was said, so the next outage is told again."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], Reject):
            record.exc_info = None  # given back on purpose; who did it has said why
        if not record.name.startswith(_SPEAKERS):
            return True
        template = str(record.msg)
        if record.levelno < logging.WARNING:
            if "Connected to" in template:
                self._said.clear()
            return "Skipping prefetch count" not in template
        if not (_shorten_unsent_tick(record) or any(word in template for word in _SUBJECTS)):
            return True
        record.exc_info = None
        return self._is_news(template)

    def _is_news(self, template: str) -> bool:
        now = time.monotonic()
        if now - self._said.get(template, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            return False
        self._said[template] = now
        return True


def _shorten_unsent_tick(record: logging.LogRecord) -> bool:
    """Beat could not publish: its own words without the call stack. Other faults stay whole."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, Exception) or not isinstance(error.__context__, OperationalError):
        return False
    record.msg, record.args = "%s", (error,)
    return True
