"""A sign of life to somebody outside (alarms.md 8.2, item 5).

That alarms are evaluated and told cannot be told by an alarm. After a cycle of the evaluator the
notifier asks the operator's URL for something: while it comes, beat, broker, evaluator, database
and notifier are at work. Who listens there tells people when it stays away.
"""

from __future__ import annotations

import time

import structlog
from django.conf import settings
from prometheus_client import Counter

from telemetry_site import outbound
from telemetry_site.celery import app
from telemetry_site.queues import broker_errors

log = structlog.get_logger(__name__)

#: At most so often: evaluations come every few seconds.
EVERY_S = 30.0
LONGEST_ANSWER = 1024
TOLD = Counter("telemetry_watchdog_total", "Signs of life to the watchdog, by result.", ["result"])

_last = -EVERY_S


def after_cycle() -> None:
    """Ask the notifier to tell: a watchdog that hangs must not hold up evaluations."""
    global _last
    if not settings.TELEMETRY_EVALUATOR_HEARTBEAT_URL or time.monotonic() - _last < EVERY_S:
        return
    try:
        app.send_task("alarms.tasks.tell_watchdog", queue="notifier", expires=EVERY_S)
    except broker_errors() as error:
        log.warning("watchdog not told", error=str(error))
        return
    _last = time.monotonic()


def tell() -> None:
    """One GET. Whatever becomes of it is counted, and the next one is the retry."""
    try:
        answer = outbound.get(settings.TELEMETRY_EVALUATOR_HEARTBEAT_URL, {}, LONGEST_ANSWER)
    except outbound.OutboundError as error:
        TOLD.labels(error.kind).inc()
        log.warning("watchdog not told", error=str(error))
        return
    is_told = 200 <= answer.status < 300
    TOLD.labels("told" if is_told else f"http_{answer.status}").inc()
    if not is_told:
        log.warning("watchdog did not take it", status=answer.status)
