"""The scheme log: one line in the notifier's log, in aodh's words (alarms.md 4.1)."""

from __future__ import annotations

import json
from typing import Any

import structlog

from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome

log = structlog.get_logger(__name__)


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    """There is nothing to find out: the log is always there, and for administrators alone, since a
    tenant's text in the operator's log is the operator's to allow."""


def send(message: Message) -> Outcome:
    told = json.loads(message.body)
    for one in told.get("alarms", [told]):
        _tell(message, one)
    return Outcome()


def _tell(message: Message, one: dict[str, Any]) -> None:
    log.info(
        f"Notifying alarm {one['alarm_name']} {one['alarm_id']} of {one['severity']} priority "
        f"from {one['previous']} to {one['current']} with action {message.url} because "
        f"{one['reason']}."
    )
