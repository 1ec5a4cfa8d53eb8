"""From a domain's numbers to samples (sources.md 2.1, 3.1, 3.2). Pure.

What libvirt does not say becomes no sample, never a zero.
"""

from __future__ import annotations

from typing import Any, Literal

from meters import wire
from pollers.batch import BatchBuilder
from pollers.compute.deltas import Deltas
from pollers.compute.devices import add_disks, add_nics, add_stopped_disks
from pollers.compute.domain_xml import DomainInfo
from pollers.compute.rows import (
    DomainRow,
    Stats,
    is_active,
    is_held,
    is_migrating,
    runs_elsewhere,
)

CpuSource = Literal["vcpu", "total"]

#: virDomainState → (state, status) as Nova words them.
STATE_WORDS = {
    0: ("pending", "building"),
    1: ("running", "active"),
    2: ("running", "active"),
    3: ("paused", "paused"),
    4: ("shutdown", "stopped"),
    5: ("shutdown", "stopped"),
    6: ("crashed", "error"),
    7: ("suspended", "suspended"),
}
#: (meter, field). libvirt counts them up, but their classic type is gauge, without a unit. They are
#: there where the domain's XML enables the event.
PERF_GAUGES = (
    ("perf.cpu.cycles", "perf.cpu_cycles"),
    ("perf.instructions", "perf.instructions"),
    ("perf.cache.references", "perf.cache_references"),
    ("perf.cache.misses", "perf.cache_misses"),
)
#: The guest's balloon driver told its memory so long ago that it no longer says anything.
BALLOON_STALE_S = 300
#: Why a domain has fewer samples than others, and how many a report names for one reason.
NO_BALLOON = "the guest's balloon driver does not tell it"
MIGRATING = "paused for a live migration"
MOVED = "it has moved to another host"
SHUT_OFF = "shut off"
MOST_LACKING = 100


def choose_cpu_source(stats: Stats) -> CpuSource:
    """Where `cpu` comes from. The two differ (the total has QEMU's own threads in it), so the

    choice is made once a boot: a change would look like a jump of the counter.
    """
    return "total" if _vcpu_time(stats) is None else "vcpu"


def cpu_time(stats: Stats, source: CpuSource) -> int | None:
    """Nanoseconds of CPU since boot, or None when that source is silent this time."""
    return _vcpu_time(stats) if source == "vcpu" else stats.get("cpu.time")


def _vcpu_time(stats: Stats) -> int | None:
    """Σ (time + wait) over all vcpus, whose numbers may have holes; None unless all answer."""
    total = found = 0
    for number in range(stats.get("vcpu.maximum", 0)):
        spent, waited = stats.get(f"vcpu.{number}.time"), stats.get(f"vcpu.{number}.wait")
        if spent is not None and waited is not None:
            total += spent + waited
            found += 1
    return total if found and found == stats.get("vcpu.current") else None


def instance_resource(info: DomainInfo, state: int) -> wire.Resource:
    vm_state, status = STATE_WORDS.get(state, ("unknown", "unknown"))
    metadata = info.metadata | {"state": vm_state, "status": status}
    return wire.Resource(
        info.uuid, info.project_id, info.user_id, "instance", metadata, info.source
    )


def add_domain(
    builder: BatchBuilder, row: DomainRow, info: DomainInfo, cpu_source: CpuSource, deltas: Deltas
) -> list[str]:
    """Add the samples of one domain. Returns why meters are missing, as sentences."""
    state = row.stats.get("state.state")
    if state is None:
        return [f"{row.label}: libvirt gave no state"]
    if runs_elsewhere(row.stats):
        return []
    resource = instance_resource(info, state)
    builder.add(resource, "power.state", state, row.at_us)
    if not is_active(row) or is_migrating(row.stats):
        return []
    _add_cpu(builder, resource, row, cpu_source)
    _add_memory(builder, resource, row)
    _add_flavor(builder, resource, row, info)
    _add_perf(builder, resource, row)
    add_nics(builder, row, info, deltas)
    if is_held(row):
        return [f"{row.label}: busy with another job, no disk and memory counters"]
    add_disks(builder, row, info)
    return []


def add_stopped(builder: BatchBuilder, row: DomainRow, info: DomainInfo) -> None:
    """Sizes of a domain that is shut off: what it will have when it starts."""
    resource = instance_resource(info, row.stats["state.state"])
    vcpus, memory = row.stats.get("vcpu.current"), row.stats.get("balloon.maximum")
    if vcpus is not None:
        builder.add(resource, "vcpus", vcpus, row.at_us, "vcpu")
    if memory is not None:
        builder.add(resource, "memory", memory / 1024, row.at_us, "MiB")
    add_stopped_disks(builder, row, info)


def _add_cpu(
    builder: BatchBuilder, resource: wire.Resource, row: DomainRow, source: CpuSource
) -> None:
    spent = cpu_time(row.stats, source)
    if spent is not None:
        builder.add(resource, "cpu", spent, row.at_us, "ns", "cumulative")
    vcpus = row.stats.get("vcpu.current")
    if vcpus is not None:
        builder.add(resource, "vcpus", vcpus, row.at_us, "vcpu")


def memory_mib(stats: Stats, at_us: int) -> dict[str, float]:
    """{meter: MiB} of what libvirt and the guest's balloon driver tell."""
    kib = {"memory": stats.get("balloon.current"), "memory.resident": stats.get("balloon.rss")}
    updated = stats.get("balloon.last-update", 0)
    if not updated or at_us / 1e6 - updated <= BALLOON_STALE_S:
        available = stats.get("balloon.available")
        free = stats.get("balloon.usable", stats.get("balloon.unused"))
        kib["memory.available"] = available
        if available is not None and free is not None:
            kib["memory.usage"] = available - free
    return {meter: value / 1024 for meter, value in kib.items() if value is not None}


def lacking(rows: list[DomainRow]) -> list[dict[str, Any]]:
    """Why running as usual some domains have no sample of some meters: for the poll's report.

    Each ``{"why", "meters", "resources", "count"}``; no meters means all but `power.state`.
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        if why := _lacks(row):
            found.setdefault(why, []).append(row.uuid)
    return [
        {
            "why": why, "meters": ["memory.usage"] if why == NO_BALLOON else [],
            "count": len(uuids), "resources": uuids[:MOST_LACKING],
        }
        for why, uuids in found.items()
    ]  # fmt: skip


def _lacks(row: DomainRow) -> str:
    if runs_elsewhere(row.stats):
        return MOVED
    if not is_active(row):
        return SHUT_OFF
    if is_migrating(row.stats):
        return MIGRATING
    return "" if "memory.usage" in memory_mib(row.stats, row.at_us) else NO_BALLOON


def _add_memory(builder: BatchBuilder, resource: wire.Resource, row: DomainRow) -> None:
    for meter, mib in memory_mib(row.stats, row.at_us).items():
        builder.add(resource, meter, mib, row.at_us, "MiB")
    if "balloon.swap_in" in row.stats and "balloon.swap_out" in row.stats:
        for way in ("in", "out"):
            mib = row.stats[f"balloon.swap_{way}"] / 1024
            builder.add(resource, f"memory.swap.{way}", mib, row.at_us, "MiB", "cumulative")


def _add_perf(builder: BatchBuilder, resource: wire.Resource, row: DomainRow) -> None:
    for meter, field in PERF_GAUGES:
        value = row.stats.get(field)
        if value is not None:
            builder.add(resource, meter, value, row.at_us)


def _add_flavor(
    builder: BatchBuilder, resource: wire.Resource, row: DomainRow, info: DomainInfo
) -> None:
    """Sizes of Nova's flavor. Root is what Nova calls `disk`, with nothing taken off."""
    if info.root_gb is not None:
        builder.add(resource, "disk.root.size", info.root_gb, row.at_us, "GiB")
    if info.ephemeral_gb is not None:
        builder.add(resource, "disk.ephemeral.size", info.ephemeral_gb, row.at_us, "GiB")
