"""Networks in settings; in `TELEMETRY_WEBHOOK_ALLOW` those that messages may be sent to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

_ENTRY = re.compile(
    r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<four>[0-9.]+(?:/\d+)?)|(?P<six>[0-9a-fA-F:]+(?:/\d+)?))"
    r"(?::(?P<port>\d+))?(?:@(?P<project>.+))?"
)


class Allowance(NamedTuple):
    """One entry; None is any port or project."""

    network: IPv4Network | IPv6Network
    port: int | None
    project: str | None


def parse_allowance(entry: str) -> Allowance:
    """`network[:port][@project]`. Raises `ImproperlyConfigured` that quotes what can't be read."""
    parts = _ENTRY.fullmatch(entry.strip())
    try:
        if parts is None:
            raise ValueError(entry)
        network = ip_network(parts["bracketed"] or parts["four"] or parts["six"])
    except ValueError:
        raise ImproperlyConfigured(
            f"TELEMETRY_WEBHOOK_ALLOW: {entry!r} is not network[:port][@project]; "
            "it looks like 10.1.0.0/16@project or [fd00::/8]:8080."
        ) from None
    return Allowance(network, int(parts["port"]) if parts["port"] else None, parts["project"])


def parse_networks(name: str, entries: Iterable[str]) -> list[IPv4Network | IPv6Network]:
    """The value of the setting `name`. Raises `ImproperlyConfigured` that quotes what is wrong."""
    networks = []
    for entry in entries:
        try:
            networks.append(ip_network(entry.strip()))
        except ValueError:
            raise ImproperlyConfigured(
                f"{name}: {entry!r} is no network; it looks like 10.1.0.0/16 or ::1."
            ) from None
    return networks
