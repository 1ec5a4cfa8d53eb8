"""The one table of schemes: an action is a URL that begins with one of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from alarms.errors import ActionError
from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome
from alarms.notifier.schemes import (
    bus,
    chat,
    heat,
    http,
    log,
    mail,
    receiver,
    route,
    test,
    trust,
    zaqar,
)


class Scheme(NamedTuple):
    """`check(url, project_id, is_admin)` raises `ActionError`; `send` never raises for what the
    other side does; where it is not enabled, it is as if it weren't known."""

    check: Callable[[str, str | None, bool], None]
    send: Callable[[Message], Outcome]
    for_admins: bool = False
    is_enabled: Callable[[], bool] = lambda: True
    #: URLs that everybody may name though the scheme is for administrators.
    is_open: Callable[[str], bool] = lambda url: False


_HTTP = Scheme(http.check, http.send)
_CHAT = Scheme(chat.check, chat.send, is_enabled=chat.is_enabled)
_TRUST = Scheme(trust.check, trust.send)
SCHEMES: dict[str, Scheme] = {
    "http": _HTTP,
    "https": _HTTP,
    "log": Scheme(log.check, log.send, for_admins=True),
    "test": Scheme(test.check, test.send, for_admins=True),
    "mailto": Scheme(mail.check, mail.send, is_enabled=mail.is_enabled),
    "slack+https": _CHAT,
    "chat+https": _CHAT,
    "queue": Scheme(bus.check, bus.send, True, bus.is_enabled, bus.is_open),
    "trust+http": _TRUST,
    "trust+https": _TRUST,
    "trust+heat": Scheme(trust.check, heat.send),
    "trust+zaqar": Scheme(trust.check, zaqar.send_as_trustor),
    "zaqar": Scheme(zaqar.check, zaqar.send),
    "receiver": Scheme(receiver.check, receiver.send),
    "route": Scheme(route.check, route.send),
}
#: What the house itself puts into the outbox; nobody may write it into an alarm.
JOBS: dict[str, Callable[[Message], Outcome]] = {
    trust.REMOVAL: trust.remove,
    bus.CHANGES: bus.send_change,
}


def check_form(url: str, is_admin: bool) -> None:
    """Raise `ActionError` unless it is a URL of a known scheme that this person may use.

    The whole check of doors that take what aodh takes: where it leads is judged at each send.
    `kind` is bad_url, scheme, for_admins or trust_id.
    """
    try:
        has_user = "@" in urlsplit(url).netloc
    except ValueError as error:
        raise ActionError("bad_url", f"is no URL: {error}") from error
    scheme = scheme_of(url)
    if not scheme:
        known = ", ".join(f"{name}:" for name, one in SCHEMES.items() if one.is_enabled())
        raise ActionError("scheme", f"must begin with one of {known}")
    if SCHEMES[scheme].for_admins and not is_admin and not SCHEMES[scheme].is_open(url):
        raise ActionError("for_admins", f"begins with {scheme}:, which is for administrators")
    if trust.is_trusting(url) and has_user:
        raise ActionError("trust_id", "may not name a trust: the URL's user part must be empty")


def check_action(url: str, project_id: str | None, is_admin: bool) -> None:
    """Raise `ActionError` unless a message for an alarm of this project may be sent to `url`.

    For who writes an alarm by hand; before each send it is judged again, since names move.
    """
    check_form(url, is_admin)
    SCHEMES[scheme_of(url)].check(url, project_id, is_admin)


def send(message: Message) -> Outcome:
    name = kind_of(message.url)
    if name in JOBS:
        return JOBS[name](message)
    return SCHEMES[name].send(message) if name else Outcome("scheme", is_final=True)


def kind_of(url: str) -> str:
    """The key of `JOBS` or that of `SCHEMES`, or empty."""
    name = url.partition(":")[0]
    return name if name in JOBS else scheme_of(url)


def scheme_of(url: str) -> str:
    """A key of `SCHEMES` that is enabled, or empty."""
    name = url.partition(":")[0].lower()
    return name if name in SCHEMES and SCHEMES[name].is_enabled() else ""
