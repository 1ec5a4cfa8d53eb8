"""Where the other services of the cloud are, as Keystone's catalogue tells it."""

from __future__ import annotations

from typing import Any

from telemetry_site.auth.keystone import NOT_UNDERSTOOD, Keystone, KeystoneError
from telemetry_site.settings.keystone import KeystoneAccess


class NoEndpointError(KeystoneError):
    """The catalogue has no such service, in our region and by our interface."""


def endpoint(keystone: Keystone, service_type: str, token: str = "") -> str:
    """The service's URL for the token's owner, or for the service user; no slash at its end.

    Raises `KeystoneError`.
    """
    answer = keystone.request("GET", "/auth/catalog", token)
    try:
        entries = [one for one in answer.json()["catalog"] if one["type"] == service_type]
        found = [url for entry in entries for url in _urls(entry, keystone.access)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeystoneError(NOT_UNDERSTOOD) from error
    if not found:
        raise NoEndpointError(f"Keystone's catalogue has no service of type {service_type}.")
    return found[0]


def _urls(entry: dict[str, Any], access: KeystoneAccess) -> list[str]:
    return [
        str(one["url"]).rstrip("/")
        for one in entry["endpoints"]
        if one["interface"] == access.interface
        and access.region_name in ("", one.get("region_id") or one.get("region"))
    ]
