"""The schemes http and https: one POST of aodh's body, further facts in headers (N3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs

from django.conf import settings

from alarms.errors import ActionError
from alarms.notifier import metrics
from alarms.notifier.message import Message
from alarms.notifier.outcome import SHOWN_ANSWER, Outcome, of_status
from telemetry_site import __version__, clock, outbound
from telemetry_site.settings.senders import BASE64_SECRET

VERIFY = "aodh-alarm-ssl-verify"


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    try:
        outbound.judged(outbound.parse(url), project_id)
    except outbound.OutboundError as error:
        raise ActionError(error.kind, error.detail) from error


def send(message: Message) -> Outcome:
    return post(message, message.url, message.body.encode())


def post(message: Message, url: str, body: bytes, more: Mapping[str, str] | None = None) -> Outcome:
    """Send a JSON body to an http or https URL, with the headers that every message has."""
    headers = _headers(message, body) | dict(more or {})
    try:
        answer = outbound.post(url, body, headers, message.project_id, _verifies(url))
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
    secrets = [message.secret] if message.secret else settings.TELEMETRY_WEBHOOK_SECRETS
    if secrets:
        headers |= signed(secrets, str(message.id), body)
    if message.is_test:
        headers["X-Alarm-Test"] = "true"
    return headers


def signed(secrets: list[str], key: str, body: bytes) -> dict[str, str]:
    """Both signatures: ours, and that of Standard Webhooks (webhook-id, -timestamp, -signature)."""
    at = int(time.time())
    return {
        "X-Telemetry-Signature": signature(secrets, at, body),
        "webhook-id": key,
        "webhook-timestamp": str(at),
        "webhook-signature": standard_signature(secrets, key, at, body),
    }


def standard_signature(secrets: list[str], key: str, at: int, body: bytes) -> str:
    """``v1,<base64 HMAC-SHA256(secret, "<key>.<t>." + body)>``, one for each secret.

    A secret that begins with ``whsec_`` is the base64 of its bytes, as that standard writes them.
    """
    text = f"{key}.{at}.".encode() + body
    made = (hmac.new(_bytes_of(secret), text, hashlib.sha256).digest() for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)


def _bytes_of(secret: str) -> bytes:
    if secret.startswith(BASE64_SECRET):
        return base64.b64decode(secret.removeprefix(BASE64_SECRET))
    return secret.encode()


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
