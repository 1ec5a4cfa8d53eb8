"""The URL of a target: its parts, its options, and how it may be shown."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pollers.publishers.errors import TargetError
from pollers.urls import without_secrets

_TRUE = frozenset({"", "1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
#: What most often is wrong where host and port can't be made out.
ESCAPES = " (in a password, write / ? # @ as %2F %3F %23 %40)"


@dataclass(frozen=True)
class Address:
    """`netloc` is what stands between ``//`` and the path, without user and password."""

    url: str
    scheme: str
    netloc: str
    path: str
    query: tuple[tuple[str, str], ...]
    user: str = ""
    password: str = ""

    @property
    def shown(self) -> str:
        return without_secrets(self.url)

    # --- host and port -----------------------------------------------------------------------

    def host_and_port(self, default_port: int) -> tuple[str, int]:
        """Raises `TargetError`."""
        parts = urlsplit(f"//{self.netloc}")
        try:
            port = default_port if parts.port is None else parts.port
        except ValueError:
            port = 0
        if not port:
            # What stands there may be a password with a slash in it.
            raise TargetError(f"the host has no port from 1 to 65535{ESCAPES}")
        if not parts.hostname:
            raise TargetError("the host is missing")
        try:
            parts.hostname.encode("idna")
        except UnicodeError:
            raise TargetError("the host is no name") from None
        return parts.hostname, port

    # --- options -----------------------------------------------------------------------------

    def text(self, name: str, default: str = "") -> str:
        """The last one where it stands several times."""
        return dict(self.query).get(name, default)

    def texts(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name and value]

    def flag(self, name: str, default: bool = False) -> bool:
        """Raises `TargetError`. A name without a value means yes."""
        values = [value for key, value in self.query if key == name]
        if not values:
            return default
        word = values[-1].lower()
        if word not in _TRUE | _FALSE:
            raise TargetError(f"{name}={word!r:.40} is neither true nor false")
        return word in _TRUE

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """Raises `TargetError`."""
        text = self.text(name) or str(default)
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            raise TargetError(f"{name}={text!r:.40} is no number from {least:g} to {most:g}")
        return number

    def file(self, name: str) -> str:
        """The path of a file that is there, or nothing. Raises `TargetError`."""
        path = self.text(name)
        if path and not Path(path).is_file():
            raise TargetError(f"{name}={path!r:.200} is no file")
        return path

    def without(self, own: Collection[str]) -> str:
        """The query without our own options, with its question mark."""
        kept = [(name, value) for name, value in self.query if name not in own]
        return f"?{urlencode(kept, quote_via=quote, safe='/:@,')}" if kept else ""

    def unknown(self, known: Collection[str]) -> list[str]:
        return sorted({name for name, _ in self.query} - set(known))


def parse_address(url: Any) -> Address:
    """Raises `TargetError`."""
    if not isinstance(url, str) or "://" not in url:
        raise TargetError("what stands there is not the URL of a publisher")
    if len(url) > 2048 or any(letter.isspace() or not letter.isprintable() for letter in url):
        raise TargetError("the URL is too long, or holds a space or a control character")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise TargetError(f"the URL can't be read{ESCAPES}") from None
    if parts.fragment:
        raise TargetError(f"the URL holds a #{ESCAPES}")
    login, _, netloc = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return Address(
        url,
        parts.scheme.lower(),
        netloc,
        parts.path,
        tuple(parse_qsl(parts.query, keep_blank_values=True)),
        unquote(user),
        unquote(password),
    )
