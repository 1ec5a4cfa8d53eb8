"""Test messages whose outcome is waited for: the notifier sends them, as it sends all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from alarms import outbox
from alarms.models import Alarm, Notification, NotificationAttempt

#: An attempt takes at most 15 s, and somebody must get to it.
PATIENCE_S = 20.0
LOOK_EVERY_S = 0.2
#: Requests of one web process that may wait at a time; a further one is told "pending" at once,
#: so that no hanging receiver takes all threads.
_places = threading.BoundedSemaphore(2)


class Tried(NamedTuple):
    """`status`: delivered, failed (the first attempt did; it may be tried again) or pending.
    `code` is the HTTP status, where there is one; `error` the class of the fault."""

    action: str
    status: str
    code: int | None = None
    error: str = ""
    took_ms: int | None = None


def fire(alarm: Alarm, state: str, asked_by: str, patience_s: float = PATIENCE_S) -> list[Tried]:
    """Send a test message to each action of `state`, and wait for their first attempts."""
    return wait(outbox.send_test(alarm, state, asked_by), patience_s)


def wait(rows: Sequence[Notification], patience_s: float) -> list[Tried]:
    """What became of the first attempts at messages that are in the outbox."""
    first = NotificationAttempt.objects.filter(
        notification__in=[row.pk for row in rows], number=1, duration_s__isnull=False
    )
    if rows and _places.acquire(blocking=False):
        try:
            _wait(lambda: first.count() == len(rows), patience_s)
        finally:
            _places.release()
    found = {one.notification_id: one for one in first}
    return [_tried(row.url, found.get(row.pk)) for row in rows]


def _wait(is_through: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not is_through() and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)


def _tried(action: str, attempt: NotificationAttempt | None) -> Tried:
    if attempt is None or attempt.duration_s is None:
        return Tried(action, "pending")
    status = "failed" if attempt.error else "delivered"
    took_ms = round(attempt.duration_s * 1000)
    return Tried(action, status, attempt.status_code, attempt.error, took_ms)
