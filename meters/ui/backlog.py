"""How much waits for the collector, as the broker says.

The broker is asked by one request at a time and not at each: every few seconds while it answers,
less often while it doesn't, so that a broker that hangs slows nobody's page but one, and that by
`PATIENCE_S` at the most.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from telemetry_site.celery import app
from telemetry_site.queues import answering, broker_errors, depth

log = structlog.get_logger(__name__)

ASK_EVERY = timedelta(seconds=5)
ASK_AGAIN = timedelta(seconds=15)
PATIENCE_S = 1


@dataclass(frozen=True)
class Backlog:
    """`waiting` messages in the collector's queue; None while the broker is `away_since`."""

    waiting: int | None = None
    away_since: datetime | None = None


_known = Backlog()
_ask_at: datetime | None = None
_asking = threading.Lock()


def backlog(now: datetime) -> Backlog:
    """The newest answer; asks for one if it is old and no other thread is at it."""
    global _known, _ask_at
    if (_ask_at is None or now >= _ask_at) and _asking.acquire(blocking=False):
        try:
            _known = _ask(now)
            _ask_at = now + (ASK_AGAIN if _known.away_since else ASK_EVERY)
        finally:
            _asking.release()
    return _known


def _ask(now: datetime) -> Backlog:
    try:
        with answering(app, PATIENCE_S) as connection:
            return Backlog(waiting=depth(connection, settings.COLLECTOR_QUEUE.name))
    except broker_errors() as error:
        log.warning("the broker does not answer", reason=str(error))
        return Backlog(away_since=_known.away_since or now)
