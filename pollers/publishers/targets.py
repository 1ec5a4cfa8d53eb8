"""Which targets there are: those that get everything, and those that sinks of pipelines name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from pollers.publishers.addresses import Address, parse_address
from pollers.publishers.errors import TargetError
from pollers.publishers.schemes import SCHEMES, Sink, kind_of

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})=(.*)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class Target:
    """`name` is that of its queue, of its figures, and of its row among the sources.

    With `gets_all` it is bound to the exchange and gets every batch; else what pipelines feed it.
    """

    name: str
    address: Address
    gets_all: bool = False

    def sink(self) -> Sink:
        """Raises `TargetError`."""
        secret = settings.TELEMETRY_NOTIFICATION_SECRET
        return kind_of(self.address.scheme)(self.address, secret)


def target_of(url: Any, name: str = "", gets_all: bool = False) -> Target:
    """A target that can be used. Raises `TargetError`."""
    address = parse_address(url)
    if address.scheme not in SCHEMES:
        raise TargetError(f"there is no publisher {address.scheme!r:.80}")
    target = Target(name or _name_of(address), address, gets_all)
    target.sink()
    return target


def remarks(target: Target) -> list[str]:
    """Options that have no effect, in words."""
    kind = kind_of(target.address.scheme)
    needless = target.address.unknown(kind.options)
    if target.address.scheme in ("http", "https"):
        needless = [name for name in needless if name in kind.needless]  # others go to the receiver
    return [f"{name} has no effect" for name in needless]


def of_settings() -> tuple[list[Target], list[str]]:
    """Those of `TELEMETRY_PUBLISHERS`, and what is wrong there, without secrets."""
    found: dict[str, Target] = {}
    wrong: list[str] = []
    for written in _whole(settings.TELEMETRY_PUBLISHERS):
        named = _NAMED.fullmatch(written) if not _SCHEME.match(written) else None
        name, url = (named[1], named[2]) if named else ("", written)
        try:
            target = target_of(url, name, gets_all=True)
        except TargetError as error:
            wrong.append(f"{name or _scheme_of(url)}: {error}")
            continue
        if target.name in found:
            wrong.append(f"{target.name}: stands there twice")
        found[target.name] = target
    return list(found.values()), wrong


def _scheme_of(url: str) -> str:
    """For messages: of what is no URL nothing is shown, it might be a secret."""
    found = _SCHEME.match(url)
    return found[0].removesuffix("://")[:20] if found else "TELEMETRY_PUBLISHERS"


def fed_target(url: str) -> Target:
    """Of a pipeline; where it gets everything, that very one. Raises `TargetError`."""
    everything, _ = of_settings()
    return next((one for one in everything if one.address.url == url), None) or target_of(url)


def merged(everything: Iterable[Target], fed: Iterable[Target]) -> list[Target]:
    """All of them; a URL that gets everything needs no feeding."""
    found = {target.address.url: target for target in fed}
    found.update({target.address.url: target for target in everything})
    return list(found.values())


def _whole(pieces: Iterable[str]) -> list[str]:
    """A URL may hold commas: a piece that begins nothing belongs to the one before."""
    found: list[str] = []
    for piece in filter(None, map(str.strip, pieces)):
        begins = _SCHEME.match(piece) or re.match(
            r"[A-Za-z0-9_.-]+=[A-Za-z][A-Za-z0-9+.-]*://", piece
        )
        if found and not begins:
            found[-1] += f",{piece}"
        else:
            found.append(piece)
    return found


def _name_of(address: Address) -> str:
    """Readable, and another for another URL."""
    place = re.sub(r"[^A-Za-z0-9.-]+", "-", address.netloc or address.path).strip("-")[:40]
    return f"{address.scheme}-{place}-{hashlib.sha256(address.url.encode()).hexdigest()[:8]}"
