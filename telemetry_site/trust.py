"""Whom the settings let callers be, in plain words: for the log at start and for `check`."""

from __future__ import annotations

from django.conf import settings


def warnings() -> list[str]:
    """A sentence for each way in that believes what callers say, or that others can listen to."""
    networks = ", ".join(map(str, settings.TELEMETRY_NOAUTH_NETWORKS)) or "no network"
    whoever = f"whoever reaches the port from {networks} is whoever he says, administrators too."
    said = [f"{name} is set: {whoever}" for name in _believing()]
    if settings.TELEMETRY_KEYSTONE and settings.TELEMETRY_KEYSTONE.is_in_clear_text:
        said.append(
            "TELEMETRY_KEYSTONE_AUTH_URL is http: tokens and the service user's password cross "
            "the network in clear text."
        )
    return said


def _believing() -> list[str]:
    names = ("TELEMETRY_BASIC_AUTH", "TELEMETRY_NOAUTH")
    return [name for name in names if getattr(settings, name)]
