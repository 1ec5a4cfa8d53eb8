"""Receivers and routes for tests, made through what every door calls, and what alarms say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F

from alarms import outbox
from alarms.choices import State
from alarms.models import Alarm, Receiver, Route, RouteGroup
from alarms.telling import receivers, routes


def make_receiver(
    name: str = "ops", url: str = "https://8.8.8.8/hook", project_id: str | None = "p1",
    **fields: Any,
) -> Receiver:  # fmt: skip
    asked = receivers.check({"name": name, "url": url} | fields, project_id, is_admin=True)
    return receivers.create(asked, project_id, "u1")


def make_route(*actions: str, project_id: str | None = "p1", **fields: Any) -> Route:
    """Without waiting, unless told."""
    given = {"actions": list(actions) or ["test://"], "wait": 0, "interval": 1} | fields
    asked = routes.check(given, project_id, is_admin=True)
    return routes.create(asked, project_id, "u1")


def go(alarm: Alarm, state: str = State.ALARM, repeat_no: int = 0) -> None:
    """What the evaluator writes when an alarm comes to a state, or says it again."""
    before = alarm.state
    alarm.refresh_from_db()
    alarm.state, alarm.repeat_no = state, repeat_no
    alarm.state_version += not repeat_no
    alarm.save()
    outbox.put(outbox.messages(alarm, before, "because", {"type": "threshold"}))


def pass_time(seconds: float) -> None:
    """What groups wait for is so much nearer."""
    by = timedelta(seconds=seconds)
    RouteGroup.objects.update(due_at=F("due_at") - by, told_at=F("told_at") - by)
