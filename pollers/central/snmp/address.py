"""``snmp://[user[:password]@]host[:port][?auth_proto=…&priv_proto=…&priv_password=…]``. Pure.

Without a password the user is the community of version 2c (`public` without a user); with one it is
version 3. In a user or password, `: @ / ? # %` and the rest that a URL means something by stand as
%3A and so on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pollers.errors import PollersError
from pollers.urls import HIDDEN

SCHEME = "snmp://"
PORT = 161
COMMUNITY = "public"
#: The first of each is what stands where a URL has none.
AUTH_PROTOCOLS = ("md5", "sha", "sha224", "sha256", "sha384", "sha512")
PRIV_PROTOCOLS = ("des", "3des", "aes", "aes128", "aes192", "aes256", "aes192c", "aes256c")
#: RFC 3414, 11.2: what is shorter is no password of version 3.
SHORTEST_PASSWORD = 8
_OPTIONS = ("auth_proto", "priv_proto", "priv_password")


class AddressError(PollersError):
    """A URL that names no host to ask; the text holds nothing of its secrets."""


@dataclass(frozen=True)
class SnmpAddress:
    """Where to ask, and as whom. `host` is a name or an address without brackets."""

    host: str
    port: int = PORT
    #: The community, or the user of version 3.
    user: str = field(default=COMMUNITY, repr=False)
    password: str = field(default="", repr=False)
    auth_proto: str = AUTH_PROTOCOLS[0]
    priv_proto: str = PRIV_PROTOCOLS[0]
    priv_password: str = field(default="", repr=False)

    @property
    def is_v3(self) -> bool:
        return bool(self.password)

    @property
    def shown(self) -> str:
        """The URL without secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}{host}" if self.port == PORT else f"{SCHEME}{host}:{self.port}"


def is_snmp(url: str) -> bool:
    return url.lower().startswith(SCHEME)


def parse_address(url: str) -> SnmpAddress:
    """Raises `AddressError`."""
    parts, port = _split(url)
    shown = SnmpAddress(parts.hostname or HIDDEN, port).shown
    options = _options(shown, parts.query)
    password = unquote(parts.password or "")
    priv_password = options.get("priv_password", "")
    if options and not password:
        raise AddressError(f"{shown}: {next(iter(options))} is for version 3, by user:password@")
    for secret, name in ((password, "the password"), (priv_password, "priv_password")):
        if secret and len(secret) < SHORTEST_PASSWORD:
            raise AddressError(
                f"{shown}: {name} has less than the {SHORTEST_PASSWORD} characters of version 3"
            )
    if "priv_proto" in options and not priv_password:
        raise AddressError(f"{shown}: priv_proto without priv_password")
    return SnmpAddress(
        host=parts.hostname or "",
        port=port,
        user=unquote(parts.username or "") or COMMUNITY,
        password=password,
        auth_proto=_protocol(shown, options, "auth_proto", AUTH_PROTOCOLS),
        priv_proto=_protocol(shown, options, "priv_proto", PRIV_PROTOCOLS),
        priv_password=priv_password,
    )


def _split(url: str) -> tuple[SplitResult, int]:
    """(parts, port). What cannot be taken apart is not shown at all: it may be a password."""
    try:
        parts = urlsplit(url)
        port = PORT if parts.port is None else parts.port
    except ValueError:
        raise AddressError(_no_url("host or port is not right")) from None
    if parts.scheme != "snmp" or not parts.hostname:
        raise AddressError(_no_url("it has no host"))
    if parts.path not in ("", "/") or parts.fragment:
        raise AddressError(
            _no_url("something follows the host; / ? # in a password are %2F %3F %23")
        )
    if port == 0:
        raise AddressError(_no_url("port 0"))
    return parts, port


def _no_url(why: str) -> str:
    return f"{SCHEME}{HIDDEN} is not a URL like snmp://user:password@host:port ({why})"


def _options(shown: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            raise AddressError(
                f"{shown}: there is no option {name!r:.40}, but {', '.join(_OPTIONS)}"
            )
    return options


def _protocol(shown: str, options: dict[str, str], name: str, known: tuple[str, ...]) -> str:
    value = options.get(name, known[0]).lower()
    if value not in known:
        raise AddressError(f"{shown}: {name} is none of {', '.join(known)}")
    return value
