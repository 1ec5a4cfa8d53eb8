"""URLs as they may be shown: in resource ids, logs, reports and messages."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import parse_qsl, quote, urlsplit

_SECRET_WORDS = re.compile(
    r"pass|pwd|^pw$|secret|token|key|auth|sign|^sig|credential|community|^user", re.IGNORECASE
)
HIDDEN = "***"


def without_secrets(url: str) -> str:
    """The URL without user and password, and with `***` for values that look like secrets.

    What tells two sources apart stays: host, port, path and the other parameters.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # e.g. an IPv6 address without its closing bracket
        return f"{url.partition(':')[0]}:{HIDDEN}"
    netloc = parts.netloc.rpartition("@")[2]
    query = _safe_query(parts.query)
    return f"{parts.scheme}://{netloc}{parts.path}{'?' if query else ''}{query}"


def _safe_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    if not any(_SECRET_WORDS.search(name) for name, _ in pairs):
        return query
    return "&".join(
        f"{quote(name)}={HIDDEN if _SECRET_WORDS.search(name) else quote(value, safe='/:')}"
        for name, value in pairs
    )


def file_name(url: str) -> str:
    """A name for a file about this URL: readable, and different for different URLs."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", url)[:80]
    return f"{readable}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
