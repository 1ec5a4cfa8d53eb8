"""How an action's URL is shown: it may hold secrets, in its user part, path and query."""

from __future__ import annotations

from urllib.parse import urlsplit

from alarms.choices import RECEIVER, ROUTE


def shown(url: str) -> str:
    """Scheme, host and port of an action URL, and that there is more: ``https://hook.example/…``.

    A webhook's path is often its password, so it is left out as well.
    """
    if url.startswith((RECEIVER, ROUTE)):
        return url  # names, and no secret
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "(unreadable)"
    more = parts.path.strip("/") or parts.query
    return f"{parts.scheme}://{host}{'/…' if more else ''}"
