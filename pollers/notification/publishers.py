"""Where the sinks of a pipeline file publish to: the store, and targets of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pollers.publishers.errors import TargetError
from pollers.publishers.schemes import SCHEMES, kind_of
from pollers.publishers.targets import Target, fed_target, remarks

#: What means "into the store", which is ours.
STORE = "gnocchi"
#: Others have these; ours do not.
NOT_THERE = frozenset({"test"})
#: What older releases had, and what stands for it now.
GONE = {
    "direct": "gnocchi://", "database": "gnocchi://", "rpc": "notifier://",
    "panko": "gnocchi:// (events are kept in the store)", "monasca": "gnocchi://",
}  # fmt: skip


@dataclass(frozen=True)
class Publication:
    """One publisher of a sink: the store or a target, and what is to be said of how it is written.

    What nothing can be made of means the store, so that nothing is lost by a slip.
    """

    target: Target | None = None
    said: list[str] = field(default_factory=list)


def read(written: Any, what: str) -> Publication:
    """`what` is published: meters or events."""
    if not isinstance(written, str) or not written:
        return _stored(f"{written!r:.80} is not the URL of a publisher")
    scheme, separator, rest = written.partition("://")
    scheme = scheme.lower()
    if not separator and "@" in scheme:
        return _stored("what stands there is not the URL of a publisher, it is stored here")
    if scheme == STORE and not separator:
        return _stored(f"publisher {STORE!r} is taken as {STORE}://")
    if scheme == STORE:
        return _stored(_options(rest))
    if scheme in GONE:
        return _stored(f"publisher {scheme}:// is gone, {GONE[scheme]} stands for it")
    if scheme == "notifier" and rest.partition("?")[0] in ("", "/"):
        return _stored(
            "publisher notifier:// without a host leads to the collector: what it would get is "
            "stored here"
        )
    if scheme in NOT_THERE:
        return _stored(f"publisher {scheme}:// is not there; what it would get is stored here")
    if scheme not in SCHEMES:
        return _stored(f"there is no publisher {scheme!r:.80}; what it would get is stored here")
    try:
        target = fed_target(written)
    except TargetError as error:
        return _stored(f"publisher {scheme}://: {error}; what it would get is stored here")
    if what == "events" and not kind_of(scheme).takes_events:
        return _stored(f"publisher {scheme}:// carries no events; what it would get is stored here")
    return Publication(target, [f"publisher {scheme}://: {one}" for one in remarks(target)])


def _stored(said: str) -> Publication:
    return Publication(None, [said] if said else [])


def _options(rest: str) -> str:
    options = [part.partition("=")[0] for part in rest.partition("?")[2].split("&") if part]
    if not options:
        return ""
    return f"publisher {STORE}://: {', '.join(options)} without effect: the store is ours"
