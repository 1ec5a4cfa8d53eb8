"""Where a host has Intel's Node Manager: an engine beside its board's controller, behind a bus."""

from __future__ import annotations

import shlex
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings

from pollers.pollsters.asking import Asker
from pollers.pollsters.fetching import FetchError

#: The controller's records are many, and what they say changes with the board only.
REMEMBER_S = 3600.0
DUMP = "ipmitool sdr dump"
#: In a record of type C0h: the maker's number, and that it tells of the engine. Then come its
#: address and, in the upper half of a byte, the channel to it (Intel's specification, 4.5).
RECORD = bytes((0x57, 0x01, 0x00, 0x0D, 0x01))

_lock = threading.Lock()
_known: dict[str, tuple[float, list[dict[str, str]]]] = {}


def node_managers(asker: Asker) -> list[dict[str, str]]:
    """`id` of this host with `channel` and `address` of the engine; none where the board has none.

    Raises `FetchError`.
    """
    host = settings.TELEMETRY_HOST
    with _lock:
        until, found = _known.get(host, (0.0, []))
        if time.monotonic() >= until:
            found = [{"id": host, **place} for place in _places(_records(asker))]
            _known[host] = time.monotonic() + REMEMBER_S, found
        return found


def _records(asker: Asker) -> bytes:
    """All of the controller's, which ipmitool writes to a file of its user's only.

    Raises `FetchError`.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "records")
        asker.output(f"{DUMP} {shlex.quote(str(file))}")
        try:
            return file.read_bytes()
        except OSError as error:
            raise FetchError(f"{DUMP}: its file cannot be read: {error.strerror}") from None


def _places(records: bytes) -> list[dict[str, str]]:
    start = records.find(RECORD) + len(RECORD)
    if start < len(RECORD) or start + 2 > len(records):
        return []
    address, channel = records[start], records[start + 1] >> 4
    return [{"address": f"{address:#04x}", "channel": str(channel)}]
