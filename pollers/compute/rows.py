"""One domain of one reading, and what its state means for the other numbers. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

Stats = dict[str, Any]

STATE_PAUSED, STATE_SHUTOFF = 3, 5
#: Reasons of "paused" that mean: the guest runs (or will run) under this UUID on another host, or
#: here in a moment: migration, post-copy migration (the side left behind), starting up.
PAUSED_FOR_MIGRATION = {2, 11, 12}
#: Reason of "shut off" of the definition that a migration leaves behind.
SHUTOFF_MIGRATED = 4


class DomainRow(NamedTuple):
    """One domain of one reading. `runtime_id` is -1 when it is shut off; time in microseconds."""

    uuid: str
    name: str
    runtime_id: int
    stats: Stats
    at_us: int

    @property
    def label(self) -> str:
        return f"{self.name} ({self.uuid})"

    @property
    def boot(self) -> tuple[str, int]:
        """Names one run of the domain, from start to stop."""
        return self.uuid, self.runtime_id


def is_active(row: DomainRow) -> bool:
    return row.runtime_id >= 0 and row.stats.get("state.state") != STATE_SHUTOFF


def is_migrating(stats: Stats) -> bool:
    """Paused for a live migration: its counters begin anew on one of the two hosts."""
    return (
        stats.get("state.state") == STATE_PAUSED
        and stats.get("state.reason") in PAUSED_FOR_MIGRATION
    )


def is_shut_off(stats: Stats) -> bool:
    """Here: not one that a migration left behind."""
    return stats.get("state.state") == STATE_SHUTOFF and not runs_elsewhere(stats)


def runs_elsewhere(stats: Stats) -> bool:
    """What a migration left behind: the guest's state is told by the host that it went to."""
    return (
        stats.get("state.state") == STATE_SHUTOFF and stats.get("state.reason") == SHUTOFF_MIGRATED
    )


def is_held(row: DomainRow) -> bool:
    """An active domain of which libvirt said only what needs no monitor.

    With NOWAIT that is the answer while another job (migration, snapshot, a call that hangs)
    holds the domain: no resident memory and no counter of any disk.
    """
    disks = row.stats.get("block.count", 0)
    return (
        is_active(row)
        and disks > 0
        and "balloon.rss" not in row.stats
        and not any(f"block.{number}.rd.reqs" in row.stats for number in range(disks))
    )


class Sighting(NamedTuple):
    """What of a domain's numbers shows whether its XML may have changed since it was read.

    `devices` are (name, path) of disks, (tap, "") of NICs; `counters` only grow while a device
    is the same one, even where another gets its name between two polls.
    """

    name: str
    runtime_id: int
    devices: frozenset[tuple[str, str]]
    counters: dict[tuple[str, str], int]

    def is_followed_by(self, later: Sighting) -> bool:
        """Whether `later` may be the same domain in the same run with the same devices."""
        return self[:3] == later[:3] and not any(
            value < self.counters.get(key, 0) for key, value in later.counters.items()
        )

    def merged(self, later: Sighting) -> Sighting:
        """`later`, with the counters that it does not tell (a domain held by a job) as before."""
        return later._replace(counters=self.counters | later.counters)


#: Kind of device → fields that show another device under the same name.
_GROWING = {"net": ("rx.bytes", "tx.bytes"), "block": ("rd.reqs", "wr.reqs")}


def sighting(row: DomainRow) -> Sighting:
    stats = row.stats
    devices, counters = [], {}
    for kind, fields in _GROWING.items():
        for number in range(stats.get(f"{kind}.count", 0)):
            prefix = f"{kind}.{number}."
            name = stats.get(f"{prefix}name")
            if name is None:
                continue
            devices.append((name, stats.get(f"{prefix}path", "")))
            for field in fields:
                value = stats.get(prefix + field)
                if value is not None:
                    counters[name, field] = value
    return Sighting(row.name, row.runtime_id, frozenset(devices), counters)
