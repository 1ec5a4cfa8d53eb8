"""What a transition asks to be sent: rows written with it, in one transaction.

The body is aodh's, byte for byte (alarms.md 4.3), but for NaN, which is no JSON: null.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Now

from alarms.choices import ROUTE, WAITING, Delivery
from alarms.models import Alarm, Notification
from alarms.muting.hours import is_muted
from alarms.muting.judging import settle
from alarms.rows import copy_in
from alarms.telling import bodies, matching
from alarms.telling.addresses import destination, resolve
from meters.housekeeping import Rule
from telemetry_site.celery import app
from telemetry_site.queues import broker_errors
from telemetry_site.roles import ROLES

log = structlog.get_logger(__name__)

#: Idempotency keys are uuid5 of this namespace and alarm/state_version/action_no/repeat_no (N3).
KEY_NAMESPACE = uuid.UUID("f1f2a7a4-5a47-4d0c-9a55-0b8b0ad6d2c5")
#: `last_error` of what is kept back because its alarm's policy mutes it.
MUTED = "muted"
#: What was sent, refused or given up is shown for 30 days; what still waits or is kept back stays.
#: An attempt goes before its notification, which nobody else may refer to.
OLD_ROWS = (
    Rule("alarms_notificationattempt", "started_at", "30 days"),
    Rule(
        "alarms_notification", "created_at", "30 days",
        "status NOT IN ('pending', 'suppressed', 'gathering') AND NOT EXISTS ("
        "SELECT FROM alarms_notificationattempt WHERE notification_id = alarms_notification.id)",
    ),
    Rule("alarms_destination", "updated_at", "7 days"),
    Rule("alarms_sendingbudget", "at", "1 day"),
    Rule(
        "alarms_routegroup", "touched_at", "60 days",  # after its messages: it has their count
        "due_at IS NULL AND NOT EXISTS (SELECT FROM alarms_notification "
        "WHERE group_id = alarms_routegroup.id AND status = 'gathering')",
    ),
    Rule("alarms_silence", "ends_at", "30 days"),
    Rule(
        "alarms_alarmack", "created_at", "30 days",
        "NOT EXISTS (SELECT FROM alarms_alarm WHERE id = alarms_alarmack.alarm_id "
        "AND state_timestamp = alarms_alarmack.state_since)",
    ),
)  # fmt: skip


def messages(
    alarm: Alarm,
    previous: str,
    reason: str,
    reason_data: dict[str, Any],
    now: datetime | None = None,
) -> list[Notification]:
    """The unsaved rows of an alarm that has just come to (or remains in) `alarm.state`.

    `alarm` has its new `state`, `state_version` and `repeat_no`. While its policy mutes it the rows
    are kept back; `now` is the database's clock, which is asked unless told.
    """
    quiet = is_muted(alarm.policy, now)
    muted = {"status": Delivery.SUPPRESSED, "last_error": MUTED} if quiet else {}
    return [
        Notification(
            id=key(alarm.pk, alarm.state_version, number, alarm.repeat_no),
            state_version=alarm.state_version,
            action_no=number,
            repeat_no=alarm.repeat_no,
            **_contents(alarm, url, previous, alarm.state, reason, reason_data),
            **(muted or _gathered(url)),
        )
        for number, url in enumerate(alarm.actions(alarm.state))
    ]


def _gathered(url: str) -> dict[str, Any]:
    """What is told with others waits for them (`alarms.telling.grouping`)."""
    return {"status": Delivery.GATHERING} if url == ROUTE else {}


def send_test(alarm: Alarm, state: str, asked_by: str) -> list[Notification]:
    """Put one test message for each action of `state` into the outbox; the state stays.

    Of a route each of its actions gets what it would get of this alarm alone, at once.
    """
    reason = f"Test notification requested by {asked_by}"
    owned: list[tuple[Notification, str | None]] = []
    for url in alarm.actions(state):
        contents = _contents(alarm, url, alarm.state, state, reason, {"type": "test"})
        taken = matching.taken(alarm.pk) if url == ROUTE else None
        if taken is None:
            owned.append((Notification(**contents), alarm.project_id))
            continue
        body = bodies.grouped(taken.labels, contents["body"])
        for action in taken.actions:
            there = {"url": action, "destination": destination(action), "body": body}
            owned.append((Notification(**contents | there), taken.owner))
    return put_tests(owned)


def put_tests(owned: Sequence[tuple[Notification, str | None]]) -> list[Notification]:
    """Write test messages; beside each stands whose receivers it may name."""
    rows = [row for row, _ in owned]
    for number, row in enumerate(rows):
        row.is_test, row.action_no = True, number
    with transaction.atomic():
        resolve(owned)
        Notification.objects.bulk_create(rows)
        announce(len(rows))
    return rows


def job(alarm: Alarm, url: str, body: dict[str, Any]) -> Notification:
    """An unsaved row of the house's own: what is to be done because of the alarm, as a URL of
    `alarms.notifier.actions.JOBS`."""
    return Notification(
        state_version=None,
        template=None,
        **_common(alarm, url, alarm.state, alarm.state),
        body=json.dumps(body, allow_nan=False),
    )


def put(rows: Sequence[Notification]) -> None:
    """Write what transitions ask for, within their transaction, but for what nobody is to be told
    now (see `alarms.muting`)."""
    kept = settle(rows)
    resolve((row, row.project_id) for row in kept)
    copy_in(kept)
    due = sum(row.status == Delivery.PENDING for row in kept)
    if due:
        announce(due)


def announce(rows: int) -> None:
    """After the commit, hint at new rows. A lost hint costs time only: the sweep finds them."""
    transaction.on_commit(lambda: hint(rows), robust=True)


def hint(rows: int) -> None:
    """Wake as many of a notifier's threads as there may be work for; each goes on by itself."""
    try:
        with app.connection_for_write() as connection:
            for _ in range(min(rows, ROLES["notifier"].concurrency)):
                app.send_task(
                    "alarms.tasks.send_notifications",
                    queue="notifier",
                    expires=30,
                    connection=connection,
                )
    except broker_errors() as error:
        log.warning("notifier not told, its sweep will find the rows", error=str(error))


def cancel_pending(rows: QuerySet[Notification]) -> int:
    """Cancel what waits or is kept back among `rows`; what is being sent this very moment may still
    arrive."""
    waiting = rows.filter(status__in=WAITING)
    return waiting.update(status=Delivery.CANCELLED, lease_token=None)


def retry(rows: QuerySet[Notification]) -> int:
    """Send those among `rows` that were given up, refused or cancelled once more, at once; a row
    that waits loses its waiting time. The count of attempts goes on, the day for them begins anew.
    What was delivered stays so, and nothing is sent for an alarm that is deleted. What is told with
    others waits for its route's next message.
    """
    is_alive = Q(alarm_id__in=Alarm.objects.values("pk")) | Q(alarm_id=F("group_id"))
    told = (Delivery.DELIVERED, Delivery.GROUPED)
    status = Case(When(url=ROUTE, then=Value(Delivery.GATHERING)), default=Value(Delivery.PENDING))
    with transaction.atomic():
        count = rows.filter(is_alive).exclude(status__in=told).update(
            status=status, next_attempt_at=Now(), retrying_since=None, tried_at=None, failures=0,
            group_id=Case(When(url=ROUTE, then=None), default=F("group_id")),
        )  # fmt: skip
        announce(count)
    return count


def key(alarm_id: uuid.UUID, state_version: int, action_no: int, repeat_no: int) -> uuid.UUID:
    return uuid.uuid5(KEY_NAMESPACE, f"{alarm_id}/{state_version}/{action_no}/{repeat_no}")


def _contents(
    alarm: Alarm, url: str, previous: str, current: str, reason: str, data: dict[str, Any]
) -> dict[str, Any]:
    body = {
        "alarm_name": alarm.name,
        "alarm_id": str(alarm.pk),
        "severity": alarm.severity,
        "previous": previous,
        "current": current,
        "reason": reason,
        "reason_data": data,
    }
    return {
        **_common(alarm, url, previous, current),
        "body": json.dumps(body, allow_nan=False),
        "template": (getattr(alarm, "policy", None) or {}).get("template"),
    }


def _common(alarm: Alarm, url: str, previous: str, current: str) -> dict[str, Any]:
    return {
        "alarm_id": alarm.pk,
        "alarm_name": alarm.name,
        "project_id": alarm.project_id,
        "severity": alarm.severity,
        "previous": previous,
        "current": current,
        "url": url,
        "destination": destination(url),
    }
