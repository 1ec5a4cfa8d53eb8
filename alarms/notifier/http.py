"""The schemes http and https: one POST of aodh's body, further facts in headers (N3)."""

from __future__ import annotations

import hashlib
import hmac
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs

from django.conf import settings

from alarms.errors import ActionError
from alarms.notifier import metrics
from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome, of_status
from telemetry_site import __version__, clock, outbound

#: So much of an answer is kept.
SHOWN_ANSWER = 1000
VERIFY = "aodh-alarm-ssl-verify"


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    try:
        outbound.judged(outbound.parse(url), project_id)
    except outbound.OutboundError as error:
        raise ActionError(error.kind, error.detail) from error


def send(message: Message) -> Outcome:
    body = message.body.encode()
    try:
        answer = outbound.post(
            message.url, body, _headers(message, body), message.project_id, _verifies(message.url)
        )
    except outbound.OutboundError as error:
        if error.is_final:
            metrics.REFUSED.labels(error.kind).inc()
        return Outcome(error.kind, error.is_final)
    text = answer.body[:SHOWN_ANSWER].decode("utf-8", "replace").replace("\0", "\ufffd")
    return of_status(answer.status, text, _retry_after_s(answer.headers.get("Retry-After")))


def _headers(message: Message, body: bytes) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"telemetry/{__version__}",
        "Accept": "*/*",
        "Connection": "close",
        "x-openstack-request-id": f"req-{message.id}",
        "Idempotency-Key": str(message.id),
        "X-Telemetry-Attempt": str(message.attempt),
    }
    if settings.TELEMETRY_WEBHOOK_SECRETS:
        headers["X-Telemetry-Signature"] = signature(
            settings.TELEMETRY_WEBHOOK_SECRETS, int(time.time()), body
        )
    if message.is_test:
        headers["X-Alarm-Test"] = "true"
    return headers


def signature(secrets: list[str], at: int, body: bytes) -> str:
    """``t=<unix>,v1=<hex HMAC-SHA256(secret, "<t>." + body)>``, one `v1` for each secret."""
    signed = f"{at}.".encode() + body
    made = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={at}", *(f"v1={one}" for one in made)])


def _verifies(url: str) -> bool:
    """aodh's switch in the URL counts only where the operator lets it."""
    query = url.partition("#")[0].partition("?")[2]
    asked = parse_qs(query).get(VERIFY, ["1"])[-1]
    return not (asked == "0" and settings.TELEMETRY_WEBHOOK_ALLOW_UNVERIFIED)


def _retry_after_s(text: str | None) -> float | None:
    """Seconds, or a date (RFC 9110 10.2.3); None for what is neither."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - clock.now()).total_seconds()
