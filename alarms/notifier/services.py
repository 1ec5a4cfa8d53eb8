"""Requests of notifiers to other services of the cloud, whose address the operator knows."""

from __future__ import annotations

import json
from typing import Any

from alarms.notifier import metrics
from alarms.notifier.message import Message
from alarms.notifier.outcome import SHOWN_ANSWER, Outcome, of_status
from telemetry_site import __version__, outbound
from telemetry_site.outbound import Answer


class Stopped(Exception):
    """There is no use in going on; `outcome` is what the attempt comes to."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


def ask(
    message: Message, method: str, url: str, headers: dict[str, str], body: Any = None,
    also: tuple[int, ...] = (),
) -> Answer:  # fmt: skip
    """Send a request on behalf of a message. Raises `Stopped` unless the answer is 2xx or among
    `also`; 409 says that the service is at it already, so that is tried again."""
    text = b"" if body is None else json.dumps(body).encode()
    every = {
        "Accept": "application/json",
        "Connection": "close",
        "User-Agent": f"telemetry/{__version__}",
        "x-openstack-request-id": f"req-{message.id}",
        "Content-Type": "application/json",
    }
    try:
        answer = outbound.request(method, url, text or None, every | headers)
    except outbound.OutboundError as error:
        if error.is_final:
            metrics.REFUSED.labels(error.kind).inc()
        raise Stopped(Outcome(error.kind, error.is_final)) from error
    if 200 <= answer.status < 300 or answer.status in also:
        return answer
    shown = answer.body[:SHOWN_ANSWER].decode("utf-8", "replace").replace("\0", "\ufffd")
    outcome = of_status(answer.status, shown)
    raise Stopped(outcome._replace(is_final=outcome.is_final and answer.status != 409))


def read(answer: Answer) -> Any:
    """The answer's JSON. Raises `Stopped`."""
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise Stopped(Outcome("not_understood", status=answer.status)) from error
