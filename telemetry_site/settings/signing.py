"""The setting `TELEMETRY_NOTIFICATION_SECRET`: what others' publishers sign with."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

#: Their default, which everybody knows.
PUBLIC_SECRET = "change this for valid signing"


def check_signing_secret(secret: str) -> str:
    """Raises `ImproperlyConfigured` for the secret that is none."""
    if secret == PUBLIC_SECRET:
        raise ImproperlyConfigured(
            "TELEMETRY_NOTIFICATION_SECRET is the text that every installation begins with; set "
            "telemetry_secret there to one of your own, or leave the setting empty here."
        )
    return secret
