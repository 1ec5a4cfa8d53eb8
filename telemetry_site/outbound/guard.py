"""Where a host leads, and whether somebody's request may go there (SSRF)."""

from __future__ import annotations

import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

import psutil
from django.conf import settings

from telemetry_site.outbound.errors import OutboundError
from telemetry_site.outbound.parsing import Target

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DNS_S = 2.0
MOST_ADDRESSES = 16
#: SSH, mail, PostgreSQL, AMQP, Redis, memcached, RabbitMQ's management, libvirt.
FORBIDDEN_PORTS = frozenset({22, 25, 5432, 5672, 6379, 11211, 15672, 16509, 16514})
#: What tells a machine its own secrets; no setting opens these.
METADATA = tuple(
    map(ip_network, ("169.254.0.0/16", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"))
)
METADATA_NAMES = frozenset({"metadata.google.internal"})
#: Beside what `is_global` knows, and pinned here: it differs between versions of Python.
DENIED = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "3fff::/20",
            "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
        ),
    )
)  # fmt: skip
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
_resolvers = ThreadPoolExecutor(16, "resolver")


def judged(target: Target, project_id: str | None) -> list[Address]:
    """The addresses of the target, all of which this project may send to.

    Raises `OutboundError` of kind forbidden_address, port or dns.
    """
    if target.host in METADATA_NAMES:
        raise _forbidden()
    found = addresses(target.host)
    for address in found:
        _judge(address, target, project_id)
    return found


def reachable(target: Target) -> list[Address]:
    """The addresses of a target of the operator's own: any network, but no metadata service.

    Raises `OutboundError` of kind forbidden_address or dns.
    """
    found = [] if target.host in METADATA_NAMES else addresses(target.host)
    if not found or any(
        _within(one, METADATA) for each in found for one in (each, *_wrapped(each))
    ):
        raise OutboundError("forbidden_address", "leads to what tells a machine its own secrets")
    return found


def addresses(host: str) -> list[Address]:
    """All of a host's addresses, IPv4 ones that are wrapped as mapped unwrapped."""
    try:
        return [_plain(ip_address(host))]
    except ValueError:
        pass
    if host == "localhost" or host.endswith(".localhost"):
        return [IPv4Address("127.0.0.1")]
    return _resolve(host)


def _resolve(host: str) -> list[Address]:
    waiting: Future[list[Address]] = _resolvers.submit(_ask, host)
    try:
        found = waiting.result(timeout=DNS_S)
    except TimeoutError:
        raise OutboundError("dns", "has a host whose address did not come in time") from None
    except (OSError, UnicodeError):
        raise OutboundError("dns", "has a host without an address") from None
    if len(found) > MOST_ADDRESSES:
        raise OutboundError("dns", f"has a host with more than {MOST_ADDRESSES} addresses")
    return found


def _ask(host: str) -> list[Address]:
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(_plain(ip_address(answer[4][0])) for answer in answers))


def _plain(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address


def _judge(address: Address, target: Target, project_id: str | None) -> None:
    inner = _wrapped(address)
    if any(_within(one, METADATA) for one in (address, *inner)):
        raise _forbidden()
    if is_allowed(address, target.port, project_id):
        return
    if not all(_is_public(one) for one in (address, *inner)) or _is_ours(address, target.host):
        raise _forbidden()
    if target.port in FORBIDDEN_PORTS:
        raise OutboundError("port", f"has port {target.port}, which speaks no HTTP")


def _forbidden() -> OutboundError:
    return OutboundError(
        "forbidden_address",
        "leads into a network that messages may not be sent to; an operator can open it with "
        "TELEMETRY_WEBHOOK_ALLOW",
    )


def _wrapped(address: Address) -> list[IPv4Address]:
    """IPv4 addresses that a gateway would unwrap from an IPv6 one."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _NAT64):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not _within(address, DENIED)


def is_allowed(address: Address, port: int, project_id: str | None) -> bool:
    """Whether the operator opened this address for the project."""
    return any(
        address in one.network
        and one.port in (None, port)
        and (one.project is None or one.project == project_id)
        for one in settings.TELEMETRY_WEBHOOK_ALLOW
    )


def _is_ours(address: Address, host: str) -> bool:
    """Our own API and pages: an alarm that calls us would be a loop (S4)."""
    names = {urlsplit(settings.SITE_URL).hostname, *settings.ALLOWED_HOSTS}
    return host in names or address in _own_addresses(int(time.monotonic() // 60))


@lru_cache(maxsize=1)
def _own_addresses(_minute: int) -> frozenset[Address]:
    """This machine's, and those of the site's name."""
    found: set[Address] = set()
    for interface in psutil.net_if_addrs().values():
        for one in interface:
            if one.family in (socket.AF_INET, socket.AF_INET6):
                found.add(ip_address(one.address.partition("%")[0]))
    with suppress(OutboundError):  # a name that only its users' resolvers know
        found.update(addresses(urlsplit(settings.SITE_URL).hostname or ""))
    return frozenset(found)
