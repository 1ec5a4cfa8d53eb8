"""Where the sinks of a pipeline file publish to, and what of that there is."""

from __future__ import annotations

from typing import Any

#: What means "into the store", which is ours.
STORE = "gnocchi"
#: Others have these; ours do not yet.
NOT_YET = frozenset({
    "notifier", "kafka", "udp", "tcp", "file", "http", "https", "prometheus", "opentelemetryhttp",
    "zaqar",
})  # fmt: skip
#: What older releases had, and what stands for it now.
GONE = {
    "direct": "gnocchi://", "database": "gnocchi://", "rpc": "notifier://",
    "panko": "gnocchi:// (events are kept in the store)", "monasca": "gnocchi://",
}  # fmt: skip
ONLY_IN_TESTS = "test"


def problem(written: Any) -> str:
    """What is wrong with one publisher of a sink, or an empty text."""
    if not isinstance(written, str) or not written:
        return f"{written!r:.80} is not the URL of a publisher"
    scheme, separator, rest = written.partition("://")
    if scheme == STORE and not separator:
        return f"publisher {STORE!r} is taken as {STORE}://"
    if scheme == STORE:
        return _options(rest)
    if scheme in GONE:
        return f"publisher {scheme}:// is gone, {GONE[scheme]} stands for it"
    if scheme in NOT_YET or scheme == ONLY_IN_TESTS:
        return f"publisher {scheme}:// is not there yet; what it would get is stored here"
    return f"there is no publisher {scheme!r:.80}; what it would get is stored here"


def _options(rest: str) -> str:
    options = [part.partition("=")[0] for part in rest.partition("?")[2].split("&") if part]
    if not options:
        return ""
    return f"publisher {STORE}://: {', '.join(options)} without effect: the store is ours"
