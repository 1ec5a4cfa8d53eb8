"""The one table of schemes: an action is a URL that begins with one of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from alarms.errors import ActionError
from alarms.notifier import http, log
from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome


class Scheme(NamedTuple):
    """`check(url, project_id, is_admin)` raises `ActionError`; `send` never raises for what the
    other side does."""

    check: Callable[[str, str | None, bool], None]
    send: Callable[[Message], Outcome]


SCHEMES: dict[str, Scheme] = {
    "http": Scheme(http.check, http.send),
    "https": Scheme(http.check, http.send),
    "log": Scheme(log.check, log.send),
}


def check_action(url: str, project_id: str | None, is_admin: bool) -> None:
    """Raise `ActionError` unless a message for an alarm of this project may be sent to `url`.

    For who writes an alarm by hand; before each send it is judged again, since names move.
    """
    scheme = scheme_of(url)
    if not scheme:
        known = ", ".join(f"{name}:" for name in SCHEMES)
        raise ActionError("scheme", f"must begin with one of {known}")
    SCHEMES[scheme].check(url, project_id, is_admin)


def send(message: Message) -> Outcome:
    scheme = scheme_of(message.url)
    return SCHEMES[scheme].send(message) if scheme else Outcome("scheme", is_final=True)


def scheme_of(url: str) -> str:
    """A key of `SCHEMES`, or empty."""
    name = url.partition(":")[0].lower()
    return name if name in SCHEMES else ""
