"""Claim one message, send it, record what came of it; again until nothing is due.

Who is killed in between leaves a lease that runs out: the message is sent once more, under the
same key (rule N1).
"""

from __future__ import annotations

import threading
import time
from collections import Counter

import structlog
from django.conf import settings
from django.db import connection, transaction

from alarms import outbox
from alarms.notifier import actions, breaker, limits, metrics
from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome, decide
from telemetry_site.database import AWAY
from telemetry_site.failpoints import failpoint
from telemetry_site.patience import patiently
from telemetry_site.prepared import keeping_plans
from telemetry_site.roles import ROLES

log = structlog.get_logger(__name__)

#: Rule N5: messages under way to one receiver, in all notifiers, and a project's share of ours.
#: The second is the larger: who hangs must not keep a project from its other receivers. A receiver
#: that failed the last time gets one at a time.
PER_DESTINATION = 4
PER_PROJECT = ROLES["notifier"].concurrency // 4
#: Of a time without any attempt so much counts as retrying, be it that nobody was there to try or
#: that the clock was put forward: neither may use up a message's day.
PAUSE_H = 6
#: After so long a task hands over to a new one, so that a worker that is to stop does.
SHIFT_S = 5.0
_CLAIMING = 0x6E6F7469  # "noti", this house's advisory lock for claims

#: A claim that a crash of PostgreSQL forgets is made again, so nobody waits for its fsync.
_STAND_IN_LINE = "SELECT pg_advisory_xact_lock(%s), set_config('synchronous_commit', 'off', true)"

_under_way: Counter[str] = Counter()
_lock = threading.Lock()

#: Claims stand in line, so that the limits hold. The conditions on other rows, of which the last is
#: rule N4, are scalars: so PostgreSQL asks row by row in the order of the due times and ends with
#: the first that fits, where it would join the whole outbox.
_CLAIM = f"""
WITH spent AS MATERIALIZED ({limits.SPENT}),
due AS (
    SELECT waiting.id FROM alarms_notification AS waiting
    WHERE waiting.status = 'pending' AND waiting.next_attempt_at <= now()
      AND (waiting.lease_until IS NULL OR waiting.lease_until < now())
      AND coalesce(waiting.project_id, '') <> ALL(%(full)s)
      AND ((waiting.project_id, waiting.destination) IN (SELECT * FROM spent)) IS NOT TRUE
      AND (SELECT count(*) FROM alarms_notification AS busy
           WHERE busy.status = 'pending' AND busy.lease_until >= now()
             AND busy.destination = waiting.destination
          ) < coalesce((
           SELECT CASE WHEN open_until > now() THEN 0
                       WHEN failures > 0 THEN 1 ELSE {PER_DESTINATION} END
           FROM alarms_destination WHERE key = waiting.destination), {PER_DESTINATION})
      AND coalesce((
           SELECT false FROM alarms_notification AS earlier
           WHERE earlier.status = 'pending' AND earlier.alarm_id = waiting.alarm_id
             AND earlier.url = waiting.url
             AND (earlier.state_version, earlier.repeat_no)
                 < (waiting.state_version, waiting.repeat_no)
           LIMIT 1), true)
    ORDER BY waiting.next_attempt_at LIMIT 1
    FOR UPDATE OF waiting SKIP LOCKED),
claimed AS (
    UPDATE alarms_notification AS row
    SET attempts = attempts + 1, lease_token = gen_random_uuid(),
        lease_until = now() + %(lease)s * interval '1 second',
        retrying_since = coalesce(least(now(), retrying_since + greatest(
            now() - tried_at - interval '{PAUSE_H} hours', interval '0')), now())
    FROM due WHERE row.id = due.id
    RETURNING row.*),
begun AS (
    INSERT INTO alarms_notificationattempt (notification_id, number, started_at, error, answer)
    SELECT id, attempts, now(), '', '' FROM claimed),
budgeted AS ({limits.TAKE})
SELECT id, alarm_id, alarm_name, project_id, severity, previous, current, url, destination, body,
       is_test, attempts, failures, lease_token,
       coalesce(released_at, created_at), retrying_since, now(), template,
       (SELECT secret FROM alarms_receiver WHERE id = claimed.receiver_id)
FROM claimed
"""
#: One statement, so one transaction.
_RECORD = f"""
WITH attempt AS (
    UPDATE alarms_notificationattempt
    SET duration_s = %(took_s)s, status_code = %(code)s, error = %(error)s::text,
        answer = %(answer)s
    WHERE notification_id = %(id)s AND number = %(number)s),
noted AS (
    UPDATE alarms_notification
    SET status = %(status)s, next_attempt_at = now() + %(wait)s, tried_at = now(),
        failures = failures + %(failed)s::int, lease_until = NULL, lease_token = NULL,
        last_status = %(code)s, last_error = %(error)s::text,
        delivered_at = CASE WHEN %(failed)s THEN NULL ELSE now() END
    WHERE id = %(id)s AND lease_token = %(token)s),
answered AS ({breaker.ANSWERED}),
silent AS ({breaker.SILENT})
SELECT failures FROM silent
"""


def send_due() -> int:
    """Send what is due, until nothing is or the shift is over; returns the number of attempts.

    Raises `OperationalError` or `InterfaceError` where the database is away.
    """
    ends = time.monotonic() + SHIFT_S
    attempts = 0
    while message := _claim():
        failpoint("notifier.after_claim")
        try:
            _deliver(message)
        finally:
            _finished(message)
        attempts += 1
        if time.monotonic() > ends:
            outbox.hint(1)
            break
    return attempts


def _claim() -> Message | None:
    with _lock:
        full = [project for project, number in _under_way.items() if number >= PER_PROJECT]
        with transaction.atomic(), keeping_plans() as cursor:
            cursor.execute(_STAND_IN_LINE, [_CLAIMING])
            lease = {"full": full, "lease": settings.TELEMETRY_NOTIFIER_LEASE}
            cursor.execute(_CLAIM, limits.bounds() | lease)
            row = cursor.fetchone()
        message = Message(*row) if row else None
        if message:
            _under_way[message.project_id or ""] += 1
    return message


def _finished(message: Message) -> None:
    with _lock:
        _under_way[message.project_id or ""] -= 1


def _deliver(message: Message) -> None:
    began = time.monotonic()
    try:
        outcome = actions.send(message)
    except Exception as error:  # a fault of ours: this message waits, the others go on
        log.exception("message not sent", notification=str(message.id))
        outcome = Outcome("internal", answer=f"{type(error).__name__}: {error}")
    took_s = time.monotonic() - began
    failpoint("notifier.after_send")
    patiently(
        lambda: _record(message, outcome, took_s),
        AWAY,
        _reconnect,
        patience_s=settings.TELEMETRY_NOTIFIER_LEASE / 2,
    )
    failpoint("notifier.after_mark")
    _measure(message, outcome, took_s)


def _reconnect(error: Exception) -> None:
    log.warning("outcome not recorded yet", error=str(error).strip())
    connection.close()


def _record(message: Message, outcome: Outcome, took_s: float) -> None:
    """The attempt, and what it means for the row if its lease is still ours."""
    following = decide(outcome, message.failures, message.now - message.retrying_since)
    values = breaker.said_by(message.destination, outcome) | {
        "id": message.id, "number": message.attempt, "token": message.token, "took_s": took_s,
        "code": outcome.status, "answer": outcome.answer, "failed": bool(outcome.error),
        "status": following.status.value, "wait": following.wait,
    }  # fmt: skip
    with keeping_plans() as cursor:
        cursor.execute(_RECORD, values)
        for (failures,) in cursor.fetchall():
            breaker.count(failures)


def _measure(message: Message, outcome: Outcome, took_s: float) -> None:
    scheme = actions.kind_of(message.url) or "unknown"
    metrics.ATTEMPTS.labels(scheme, outcome.error or "delivered").inc()
    metrics.SENDING.labels(scheme).observe(took_s)
    if not outcome.error:
        since_s = (message.now - message.created_at).total_seconds()
        metrics.DELAY.labels(scheme).observe(max(since_s, 0.0) + took_s)
    else:
        log.info(
            "message not delivered", notification=str(message.id), alarm=str(message.alarm_id),
            attempt=message.attempt, destination=message.destination, error=outcome.error,
        )  # fmt: skip
