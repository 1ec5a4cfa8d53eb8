"""The settings `TELEMETRY_OPENSTACK_…`: the cloud that agents poll, and their login there."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

from telemetry_site.settings.keystone import KeystoneAccess

INTERFACES = ("public", "internal", "admin")


@dataclass(frozen=True)
class CloudAccess(KeystoneAccess):
    """`interface` and `region_name` choose the endpoints of the catalogue; "" is any region."""

    interface: str = "public"
    region_name: str = ""


def check_interface(name: str) -> str:
    """Raises `ImproperlyConfigured`."""
    if name not in INTERFACES:
        raise ImproperlyConfigured(
            f"TELEMETRY_OPENSTACK_INTERFACE is {name!r}; it is one of {', '.join(INTERFACES)}."
        )
    return name
