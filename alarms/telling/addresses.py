"""Where a message goes: what a receiver's name stands for, and which host that is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from django.db import connection

from alarms.choices import RECEIVER
from alarms.models import Notification, Receiver
from telemetry_site.outbound.parsing import PORTS

#: Locked against a change, which then finds the message that is written meanwhile.
_NAMED = """
SELECT * FROM alarms_receiver
WHERE name = ANY(%s) AND (project_id = ANY(%s) OR project_id IS NULL)
ORDER BY id FOR SHARE
"""


def resolve(rows: Iterable[tuple[Notification, str | None]]) -> None:
    """Give each unsaved row that names a receiver of a project (the second of the pair) its
    address. One that names none keeps its URL, and its delivery says so.

    In the transaction that writes the rows; one query for all of them, none where none names any.
    """
    named = [(row, owner) for row, owner in rows if row.url.startswith(RECEIVER)]
    if not named:
        return
    names = {row.url.removeprefix(RECEIVER) for row, _ in named}
    found = _receivers(names, {owner for _, owner in named if owner is not None})
    for row, owner in named:
        one = found.get((owner, row.url.removeprefix(RECEIVER)))
        if one is not None:
            row.url, row.destination = one.url, one.destination
            row.receiver_id = one.pk
            row.template = row.template or one.template


def _receivers(
    names: Collection[str], projects: Collection[str]
) -> dict[tuple[str | None, str], Receiver]:
    if not connection.in_atomic_block:
        raise RuntimeError("receivers are looked up in the transaction that writes their messages")
    found = Receiver.objects.raw(_NAMED, [list(names), list(projects)])
    return {(one.project_id, one.name): one for one in found}


def destination(url: str) -> str:
    """What shares a connection limit and a breaker: ``http://host:port``, ``mailto:domain``, or
    just the scheme.

    Any text gets an answer: what is no URL at all is found out when it is to be sent.
    """
    try:
        parts = urlsplit(url)
        scheme = parts.scheme.rpartition("+")[2]  # trust+https, slack+https: the same receiver
        port = parts.port or PORTS.get(scheme)
        host = parts.hostname or ""
    except ValueError:
        return "unreadable"
    if scheme == "mailto":
        return f"mailto:{parts.path.rpartition('@')[2].lower()}"[:300]
    return f"{scheme}://{host}:{port}"[:300] if port else parts.scheme[:300]
