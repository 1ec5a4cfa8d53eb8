"""The scheme log: one line in the notifier's log, in aodh's words (alarms.md 4.1)."""

from __future__ import annotations

import json

import structlog

from alarms.errors import ActionError
from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome

log = structlog.get_logger(__name__)


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    """A tenant's text in the operator's log is the operator's to allow."""
    if not is_admin:
        raise ActionError("scheme", "begins with log:, which is for administrators")


def send(message: Message) -> Outcome:
    log.info(
        f"Notifying alarm {message.alarm_name} {message.alarm_id} of {message.severity} priority "
        f"from {message.previous} to {message.current} with action {message.url} because "
        f"{json.loads(message.body)['reason']}."
    )
    return Outcome()
