"""What a URL says, if everybody reads it alike. Nothing is looked up here."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import urlsplit

import idna
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from telemetry_site.outbound.errors import OutboundError

LONGEST = 2048
PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PARTS = re.compile(r"([A-Za-z]+)://([^/?#]+)([^#]*)(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::([0-9]*))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x.*")
#: Some resolvers take these for dots.
_OTHER_DOTS = re.compile("[\u3002\uff0e\uff61]")


class Target(NamedTuple):
    """An address on the web: `host` is a name in ASCII or an IP address without brackets."""

    scheme: str
    host: str
    port: int
    #: Path and query, as written.
    path: str

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """Raises `OutboundError` of kind bad_url, scheme or userinfo."""
    _check_characters(url)
    scheme = _scheme(url)
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise _bad("must be http://host/path or https://host/path")
    _, authority, path = parts.groups()
    if not path.isascii():
        raise _bad("holds characters beyond ASCII after the host; write them as %XX")
    if "@" in authority:
        raise OutboundError("userinfo", "must not hold a user or a password")
    host, port = _host_and_port(authority, PORTS[scheme])
    target = Target(scheme, host, port, path if path.startswith("/") else f"/{path}")
    _check_readings(target)
    return target


def _bad(detail: str) -> OutboundError:
    return OutboundError("bad_url", detail)


def _check_characters(url: str) -> None:
    if len(url) > LONGEST:
        raise _bad(f"is longer than {LONGEST} characters")
    if any(not "!" <= letter <= "~" if letter.isascii() else letter.isspace() for letter in url):
        raise _bad("holds a space or a control character")
    if "\\" in url:
        raise _bad("holds a backslash")


def _scheme(url: str) -> str:
    found = _SCHEME.match(url)
    if found is None:
        raise _bad("must begin with http:// or https://")
    scheme = found[1].lower()
    if scheme not in PORTS:
        raise OutboundError("scheme", f"begins with {scheme}:, not with http: or https:")
    return scheme


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise _bad("has a host or port that can't be read")
    in_brackets, name, digits = found.groups()
    port = int(digits[:6]) if digits else default_port
    if not 1 <= port <= 65535:
        raise _bad("has a port outside 1 to 65535")
    try:
        host = str(IPv6Address(in_brackets)) if in_brackets else _host(name)
    except AddressValueError:
        raise _bad("has no IPv6 address in its brackets") from None
    return host, port


def _host(written: str) -> str:
    """An IPv4 address with four plain numbers, or a name whose end is no number."""
    try:
        return str(IPv4Address(written))
    except AddressValueError:
        name = _in_ascii(written)
    labels = name.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise _bad("has a number for a host that is no plain IPv4 address")
    if len(name) > 253 or not all(map(_is_label, labels)):
        raise _bad("has a host that is no name")
    return ".".join(labels)


def _in_ascii(written: str) -> str:
    """IDNA 2008, once: what is stored, shown, judged and connected to is one name."""
    name = written.lower()
    if name.isascii():
        return name
    if _OTHER_DOTS.search(name):
        raise _bad("has dots in its host that are none")
    try:
        return idna.encode(name).decode()
    except (idna.IDNAError, UnicodeError):
        raise _bad("has a host that is no name in IDNA") from None


def _is_label(label: str) -> bool:
    if not _LABEL.fullmatch(label):
        return False
    try:
        return not label.startswith("xn--") or bool(idna.decode(label))
    except (idna.IDNAError, UnicodeError):
        return False


def _check_readings(target: Target) -> None:
    """Two parsers that people use must see the same host, since receivers and proxies do."""
    url = f"{target.scheme}://{target.authority}{target.path}"
    try:
        first, second = urlsplit(url), parse_url(url)
        readings = {
            (part.hostname or "", part.port or PORTS[target.scheme]) for part in (first, second)
        }
    except (ValueError, LocationParseError):
        raise _bad("can't be read") from None
    hosts = {(host.strip("[]").lower(), port) for host, port in readings}
    if hosts != {(target.host, target.port)}:
        raise _bad("can be read in more than one way")
