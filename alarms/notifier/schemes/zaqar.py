"""The schemes zaqar and trust+zaqar: a message into a queue of Zaqar's (API version 2).

* ``zaqar://?topic=T&subscriber=URL&ttl=3600``: as the service user into a queue of the alarm's
  own, which is made with its subscriptions;
* ``zaqar://?queue_name=Q&project_id=…&paths=…&methods=…&expires=…&signature=…``: by a URL that was
  signed before, without a token;
* ``trust+zaqar://?queue_name=Q``: as who made the alarm.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from django.conf import settings

from alarms.errors import ActionError
from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome
from alarms.notifier.schemes import trust
from alarms.notifier.services import Stopped, ask
from telemetry_site.auth import catalogue
from telemetry_site.auth.keystone import KeystoneError
from telemetry_site.outbound.parsing import LONGEST
from telemetry_site.zaqar import LONGEST_QUEUE, SERVICE_TYPE, TTL_S, queue_url

LONGEST_TTL_S = 365 * 86_400
MOST_SUBSCRIBERS = 10
NO_ENDPOINT = "no_endpoint"
NOWHERE = "No Zaqar is known here: TELEMETRY_ZAQAR_URL names it, or a Keystone's catalogue."
#: How a signed URL's part is sent.
_SIGNED = {
    "signature": "URL-Signature", "expires": "URL-Expires", "methods": "URL-Methods",
    "paths": "URL-Paths", "project_id": "X-Project-Id",
}  # fmt: skip


class Target(NamedTuple):
    """Either a `topic` or a `queue`; `signed` are headers."""

    topic: str
    queue: str
    subscribers: list[str]
    ttl_s: int
    signed: dict[str, str]


def parse(url: str) -> Target:
    """Raises `ActionError`."""
    if len(url) > LONGEST:
        raise ActionError("bad_url", f"is longer than {LONGEST} characters")
    query = parse_qs(urlsplit(url).query)
    topic, queue = query.get("topic", [""])[-1], query.get("queue_name", [""])[-1]
    if bool(topic) == bool(queue):
        raise ActionError("bad_url", "must name a topic or a queue_name, and not both")
    subscribers = query.get("subscriber", [])
    if len(subscribers) > MOST_SUBSCRIBERS:
        raise ActionError("bad_url", f"names more than {MOST_SUBSCRIBERS} subscribers")
    ttl = query.get("ttl", [str(TTL_S)])[-1]
    if not (ttl.isascii() and ttl.isdigit() and len(ttl) < 10 and int(ttl) <= LONGEST_TTL_S):
        raise ActionError("bad_url", "has a ttl that is no number of seconds, at most a year")
    signed = {_SIGNED[name]: ",".join(query[name]) for name in _SIGNED if name in query}
    for text in (topic, queue, *subscribers, *signed.values()):
        if not text.isprintable() or not text.isascii():
            raise ActionError("bad_url", "holds a character that is none of printable ASCII")
    return Target(topic, queue, subscribers, int(ttl), signed)


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    parse(url)


def send(message: Message) -> Outcome:
    """As the service user, or by what was signed. An attempt that was cut short may have posted
    already (at least once)."""
    return _in_words(lambda: _send(message))


def _send(message: Message) -> Outcome:
    target = parse(message.url)
    base = _address()
    headers = target.signed or _of_service_user()
    queue = target.queue or f"{message.alarm_id}-{target.topic}"
    return _post(message, base, queue, headers, target)


def send_as_trustor(message: Message) -> Outcome:
    token = trust.token_of(message)
    return token if isinstance(token, Outcome) else _in_words(lambda: _send_by(token, message))


def _send_by(token: str, message: Message) -> Outcome:
    target = parse(trust.without_trust(message.url))
    if not target.queue:
        raise ActionError("bad_url", "must name a queue_name")
    known = str(settings.TELEMETRY_ZAQAR_URL)
    base = known or catalogue.endpoint(trust.keystone(), SERVICE_TYPE, token)
    return _post(message, base, target.queue, {"X-Auth-Token": token}, target)


def _in_words(attempt: Callable[[], Outcome]) -> Outcome:
    try:
        return attempt()
    except ActionError as error:
        return Outcome(error.kind, is_final=True, answer=error.detail)
    except Stopped as stop:
        return stop.outcome
    except catalogue.NoEndpointError as error:
        return Outcome(NO_ENDPOINT, answer=str(error))
    except KeystoneError as error:
        return Outcome("keystone", answer=str(error))


def _of_service_user() -> dict[str, str]:
    if settings.TELEMETRY_KEYSTONE is None:
        return {}
    return {"X-Auth-Token": trust.keystone().own_token()}


def _address() -> str:
    if settings.TELEMETRY_ZAQAR_URL:
        return str(settings.TELEMETRY_ZAQAR_URL)
    if settings.TELEMETRY_KEYSTONE is None:
        raise Stopped(Outcome(NO_ENDPOINT, is_final=True, answer=NOWHERE))
    return catalogue.endpoint(trust.keystone(), SERVICE_TYPE)


def _post(
    message: Message, base: str, queue: str, headers: dict[str, str], target: Target
) -> Outcome:
    if len(queue) > LONGEST_QUEUE:
        return Outcome(
            "bad_url", True, answer=f"A queue's name has at most {LONGEST_QUEUE} characters."
        )
    url = queue_url(base, queue)
    headers = {"Client-ID": str(message.id), **headers}
    if target.topic:
        ask(message, "PUT", url, headers, {})
        for one in target.subscribers:
            wanted = {"subscriber": one, "ttl": target.ttl_s}
            ask(message, "POST", f"{url}/subscriptions", headers, wanted, also=(409,))
    told = {"messages": [{"body": json.loads(message.body)}]}
    return Outcome(status=ask(message, "POST", f"{url}/messages", headers, told).status)
