"""Where the other services of the cloud are, as Keystone's catalogue tells it."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from telemetry_site.auth.keystone import NOT_UNDERSTOOD, Keystone, KeystoneError


class NoEndpointError(KeystoneError):
    """The catalogue has no such service, in our region and by our interface."""


def endpoint(keystone: Keystone, service_type: str, token: str = "") -> str:
    """The service's URL for the token's owner, or for the service user; no slash at its end.

    Raises `KeystoneError`.
    """
    answer = keystone.request("GET", "/auth/catalog", token)
    try:
        found = [url for entry in answer.json()["catalog"] for url in _urls(entry, service_type)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeystoneError(NOT_UNDERSTOOD) from error
    if not found:
        raise NoEndpointError(f"Keystone's catalogue has no service of type {service_type}.")
    return found[0]


def _urls(entry: dict[str, Any], service_type: str) -> list[str]:
    access = settings.TELEMETRY_KEYSTONE
    if entry["type"] != service_type:
        return []
    return [
        str(one["url"]).rstrip("/")
        for one in entry["endpoints"]
        if one["interface"] == access.interface
        and access.region_name in ("", one.get("region_id") or one.get("region"))
    ]
