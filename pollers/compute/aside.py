"""Domains whose monitor does not answer, set aside so that the others are polled. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: Polls until the first retry; each call that hangs costs libvirtd a thread, so it doubles.
FIRST_WAIT = 4
LONGEST_WAIT = 64


@dataclass
class _Entry:
    name: str
    wait: int
    step: int


class Aside:
    """Who is left out of the bulk call, and when to try again (counted in polls)."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._entries

    @property
    def uuids(self) -> list[str]:
        return list(self._entries)

    def start_poll(self) -> dict[str, str]:
        """A poll begins: {uuid: name} of those to try again, each by itself."""
        for entry in self._entries.values():
            entry.wait -= 1
        return {uuid: entry.name for uuid, entry in self._entries.items() if entry.wait <= 0}

    def put(self, uuid: str, name: str, *, hung: bool) -> bool:
        """Set a domain aside. `hung`: a call was lost to it just now; else libvirt passed it over

        because that call still waits, so asking costs nothing and is done in each poll.
        Returns True when it was not aside before.
        """
        entry = self._entries.get(uuid)
        if entry is None:
            step = FIRST_WAIT
        else:
            step = min(entry.step * 2, LONGEST_WAIT) if hung else entry.step
        self._entries[uuid] = _Entry(name, step if hung else 1, step)
        return entry is None

    def release(self, uuid: str) -> bool:
        """It answers again, or is gone. Returns True when it was aside."""
        return self._entries.pop(uuid, None) is not None

    def sentences(self) -> list[str]:
        return [
            f"{entry.name} ({uuid}): monitor does not answer; set aside, {_next_try(entry.wait)}"
            for uuid, entry in self._entries.items()
        ]


def _next_try(wait: int) -> str:
    return "tried again at the next poll" if wait <= 1 else f"tried again in {wait} polls"
