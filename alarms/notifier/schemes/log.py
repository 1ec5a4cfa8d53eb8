"""The scheme log: one line in the notifier's log, in aodh's words (alarms.md 4.1)."""

from __future__ import annotations

import json

import structlog

from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome

log = structlog.get_logger(__name__)


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    """There is nothing to find out: the log is always there, and for administrators alone, since a
    tenant's text in the operator's log is the operator's to allow."""


def send(message: Message) -> Outcome:
    log.info(
        f"Notifying alarm {message.alarm_name} {message.alarm_id} of {message.severity} priority "
        f"from {message.previous} to {message.current} with action {message.url} because "
        f"{json.loads(message.body)['reason']}."
    )
    return Outcome()
