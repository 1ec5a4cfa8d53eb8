"""The schemes trust+http and trust+https: the POST of http with a token of who made the alarm.

Stored is ``trust+https://TRUST:delete@host/path``: `:delete` says that we made the trust and take
it away with the action. Nobody may write a user part, and nobody is shown it (`without_trust`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.conf import settings

from alarms.errors import ActionError
from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome
from alarms.notifier.schemes import http
from telemetry_site.auth import trusts
from telemetry_site.auth.keystone import Keystone, KeystoneError, service_of

PREFIX = "trust+"
REMOVAL = "remove-trust"
#: Three groups: scheme, trust, the rest.
_STORED = re.compile(r"(trust\+[a-z]+://)(?:([^/?#@:]*)(?::delete)?@)?(.*)", re.I | re.S)
NO_TRUST = "This action has no trust in Keystone: {}"
ONLY_THERE = (
    "needs a trust, which is made for who brings a token of Keystone's to the alarming API: "
    "write it there (openstack alarm)"
)
NO_KEYSTONE = "needs Keystone, and none is set here (TELEMETRY_KEYSTONE_AUTH_URL)"


def is_trusting(url: str) -> bool:
    return url.lower().startswith(PREFIX)


def without_trust(url: str) -> str:
    """The URL without the trust that we keep in it for our own use."""
    found = _STORED.fullmatch(url)
    return f"{found[1]}{found[3]}" if found else url


def with_trust(url: str, trust_id: str) -> str:
    found = _STORED.fullmatch(url)
    return f"{found[1]}{trust_id}:delete@{found[3]}" if found else url


def trust_of(url: str) -> str:
    """The id of the stored URL's trust, or an empty text."""
    found = _STORED.fullmatch(url)
    return (found[2] or "") if found else ""


def trusts_of(urls: Iterable[str]) -> set[str]:
    return set(filter(None, map(trust_of, urls)))


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    """For who writes an alarm where no token of Keystone's comes with it."""
    words = NO_KEYSTONE if settings.TELEMETRY_KEYSTONE is None else ONLY_THERE
    raise ActionError("no_trust", words)


def keystone() -> Keystone:
    """Raises `KeystoneError`."""
    if settings.TELEMETRY_KEYSTONE is None:
        raise KeystoneError("No Keystone is set here.")
    return service_of(settings.TELEMETRY_KEYSTONE)


def send(message: Message) -> Outcome:
    token = token_of(message)
    if isinstance(token, Outcome):
        return token
    url = without_trust(message.url)[len(PREFIX) :]
    return http.post(message, url, message.body.encode(), {"X-Auth-Token": token})


def token_of(message: Message) -> str | Outcome:
    """A token of who made the alarm, or what the attempt comes to without one."""
    trust_id = trust_of(message.url)
    if not trust_id:
        return Outcome("no_trust", True, answer=NO_TRUST.format("none was made with the alarm."))
    try:
        return trusts.token(keystone(), trust_id)
    except trusts.NoTrustError:
        return Outcome("no_trust", True, answer=NO_TRUST.format("it is there no more."))
    except KeystoneError as error:
        return Outcome("keystone", answer=str(error))


def remove(message: Message) -> Outcome:
    """The job ``remove-trust:TRUST``."""
    try:
        trusts.remove(keystone(), message.url.partition(":")[2])
    except KeystoneError as error:
        return Outcome("keystone", answer=str(error))
    return Outcome()
