"""Schemes that an alarm may name though nothing sends to them yet: a delivery says so."""

from __future__ import annotations

from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome

NO_SENDER = "no_sender"


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    """Nothing can be known about the receiver."""


def send(message: Message) -> Outcome:
    scheme = message.url.partition(":")[0]
    return Outcome(NO_SENDER, is_final=True, answer=f"Nothing here can send to {scheme}: yet.")
