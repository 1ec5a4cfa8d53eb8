"""Checks of the settings of senders; wrong ones are told in one sentence."""

from __future__ import annotations

from base64 import b64decode
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

#: How a secret begins that is written in base64, as Standard Webhooks has it.
BASE64_SECRET = "whsec_"
_MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}
_BUS_SCHEMES = ("amqp", "amqps", "pyamqp", "rabbit", "redis", "rediss", "redis+socket")
_NO_MAIL = {
    "EMAIL_HOST": "", "EMAIL_PORT": 25, "EMAIL_HOST_USER": "", "EMAIL_HOST_PASSWORD": "",
    "EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False,
}  # fmt: skip
_MAIL_EXAMPLE = "smtp+tls://user:password@mail.example.org:587"


def check_secrets(secrets: list[str]) -> list[str]:
    """Raises `ImproperlyConfigured`, which does not tell the secret."""
    for place, one in enumerate(secrets, 1):
        written = one.removeprefix(BASE64_SECRET) if one.startswith(BASE64_SECRET) else ""
        try:
            b64decode(written, validate=True)
        except ValueError:
            raise ImproperlyConfigured(
                f"TELEMETRY_WEBHOOK_SECRETS: number {place} begins with {BASE64_SECRET} and is no "
                "base64 after it."
            ) from None
    return secrets


def mail_server(url: str) -> dict[str, Any]:
    """Django's settings EMAIL_HOST, EMAIL_PORT … of a URL; an empty one means no mail.

    Raises `ImproperlyConfigured`, which does not tell the password.
    """
    if not url:
        return dict(_NO_MAIL)
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in _MAIL_PORTS and parts.hostname
        port = parts.port
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ImproperlyConfigured(f"EMAIL_URL is no mail server; it looks like {_MAIL_EXAMPLE}.")
    found: dict[str, Any] = environ.Env.email_url_config(url)
    return {
        "EMAIL_HOST": found["EMAIL_HOST"],
        "EMAIL_PORT": port or _MAIL_PORTS[parts.scheme],
        "EMAIL_HOST_USER": found["EMAIL_HOST_USER"] or "",
        "EMAIL_HOST_PASSWORD": found["EMAIL_HOST_PASSWORD"] or "",
        "EMAIL_USE_TLS": found.get("EMAIL_USE_TLS", False),
        "EMAIL_USE_SSL": found.get("EMAIL_USE_SSL", False),
    }


def check_sender(address: str) -> str:
    """``a@b`` or ``Name <a@b>``. Raises `ImproperlyConfigured`."""
    bare = parseaddr(address)[1]
    if not bare.partition("@")[2] or not address.isprintable():
        raise ImproperlyConfigured(
            f"TELEMETRY_MAIL_FROM is {address!r}; it looks like Telemetry <alarms@example.org>."
        )
    return address


def check_bus(url: str) -> str:
    """Raises `ImproperlyConfigured`, which does not tell the password."""
    if url and url.partition("://")[0] not in _BUS_SCHEMES:
        raise ImproperlyConfigured(
            "TELEMETRY_ALARM_BUS_URL is no bus; it looks like "
            "amqp://user:password@host:5672/vhost or redis://:password@host:6379/0."
        )
    return url
