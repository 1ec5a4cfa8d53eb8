"""The scheme zaqar: messages into a queue of Zaqar's (API version 2), as the agents' own user.

``zaqar://?queue=NAME&ttl=3600``. Zaqar is where `TELEMETRY_ZAQAR_URL` says, else where the
catalogue of `TELEMETRY_OPENSTACK_…` does; the token is of that login. A message's body is a
sample's dictionary or an event. A queue that is not there is made by Zaqar.
"""

from __future__ import annotations

import re
import ssl
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import msgspec
from django.conf import settings

from meters import wire
from pollers.pollsters.cloud import Cloud, CloudError, current_cloud
from pollers.publishers.addresses import Address
from pollers.publishers.errors import TargetError, Unreachable
from pollers.publishers.items import Sample, event_dict, sample_dict
from pollers.publishers.schemes.base import Sink
from pollers.publishers.schemes.http import JSON
from pollers.publishers.schemes.web import post, raise_for
from telemetry_site import __version__
from telemetry_site.zaqar import LONGEST_QUEUE, SERVICE_TYPE, TTL_S, queue_url

#: Zaqar's own bounds, the last one by its default (max_messages_post_size).
QUEUE_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_QUEUE}}}")
LEAST_TTL_S, MOST_TTL_S = 60, 1_209_600
MOST_BYTES = 256 * 1024
_ENVELOPE = len(b'{"messages":[]}')
NOWHERE = "no Zaqar is known here: TELEMETRY_ZAQAR_URL names it, or the catalogue of a Keystone"


class ZaqarSink(Sink):
    options: ClassVar[frozenset[str]] = frozenset({"queue", "ttl", "timeout"})
    most = 500

    def __init__(self, address: Address, secret: str = "") -> None:
        super().__init__(address, secret)
        self._queue = address.text("queue")
        if not QUEUE_NAME.fullmatch(self._queue):
            raise TargetError(
                f"queue must name a queue, by at most {LONGEST_QUEUE} letters, digits, - and _"
            )
        self._ttl_s = int(address.number("ttl", TTL_S, LEAST_TTL_S, MOST_TTL_S))
        self._patience_s = address.number("timeout", 5, 0.1, 60)
        self._cloud: Cloud | None = current_cloud()
        if not (settings.TELEMETRY_ZAQAR_URL or self._cloud):
            raise TargetError(NOWHERE)
        #: Zaqar asks every client for an id of its own, so that none gets its own messages back.
        self._client_id = str(uuid.uuid4())

    def send_samples(self, samples: Sequence[Sample]) -> None:
        self._send(sample_dict(one) for one in samples)

    def send_events(self, events: Sequence[wire.Event]) -> None:
        self._send(event_dict(one) for one in events)

    def _send(self, documents: Iterable[Any]) -> None:
        """In as many requests as Zaqar's bound makes of it; raises `Unreachable` or `Refused`."""
        try:
            url = f"{queue_url(self._base(), self._queue)}/messages"
            headers = self._headers()
        except CloudError as error:
            raise Unreachable(str(error)) from error
        for body in bodies(documents, self._ttl_s):
            answer = post(url, body, headers, self._context(), self._patience_s)
            if answer.status == 401 and self._cloud:
                self._cloud.forget_token()
            raise_for(answer)

    def _base(self) -> str:
        known = str(settings.TELEMETRY_ZAQAR_URL)
        if not known and self._cloud:
            known = next(iter(self._cloud.endpoints(SERVICE_TYPE)), "")
        if not known:
            raise Unreachable(f"Keystone's catalogue has no service {SERVICE_TYPE}")
        return known

    def _headers(self) -> dict[str, str]:
        token = {"X-Auth-Token": self._cloud.token()} if self._cloud else {}
        return {
            "User-Agent": f"telemetry/{__version__}", "Connection": "close", "Content-Type": JSON,
            "Client-ID": self._client_id, **token,
        }  # fmt: skip

    def _context(self) -> ssl.SSLContext | None:
        authorities = self._cloud.access.ca_file if self._cloud else ""
        return ssl.create_default_context(cafile=authorities) if authorities else None


def bodies(documents: Iterable[Any], ttl_s: int) -> Iterator[bytes]:
    """Each below Zaqar's bound, but for a message that is larger alone: Zaqar says so itself."""
    waiting: list[bytes] = []
    size = _ENVELOPE
    for document in documents:
        message = msgspec.json.encode({"body": document, "ttl": ttl_s})
        if waiting and size + len(message) > MOST_BYTES:
            yield _body(waiting)
            waiting, size = [], _ENVELOPE
        waiting.append(message)
        size += len(message) + 1
    if waiting:
        yield _body(waiting)


def _body(messages: Sequence[bytes]) -> bytes:
    return b'{"messages":[' + b",".join(messages) + b"]}"
