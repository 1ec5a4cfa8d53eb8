"""Where Zaqar's API, version 2, has its queues: for actions of alarms and for publishers."""

from __future__ import annotations

from urllib.parse import quote

#: In Keystone's catalogue.
SERVICE_TYPE = "messaging"
LONGEST_QUEUE = 64
TTL_S = 3600


def queue_url(base: str, queue: str) -> str:
    """`base` is what an operator or a catalogue says, with the version or without."""
    return f"{base.rstrip('/').removesuffix('/v2')}/v2/queues/{quote(queue, safe='')}"
