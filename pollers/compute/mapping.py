"""From a domain's numbers to samples (sources.md 2.1, 3.1, 3.2). Pure.

What libvirt does not say becomes no sample, never a zero.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from meters import wire
from pollers.batch import BatchBuilder
from pollers.compute.domain_xml import Disk, DomainInfo

Stats = dict[str, Any]
CpuSource = Literal["vcpu", "total"]

STATE_PAUSED, STATE_SHUTOFF = 3, 5
#: Reasons of "paused" that mean: the guest runs (or will run) under this UUID on another host.
PAUSED_FOR_MIGRATION = {2, 11}
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
#: (meter, field of the disk, unit)
DISK_COUNTERS = (
    ("disk.device.read.requests", "rd.reqs", "request"),
    ("disk.device.read.bytes", "rd.bytes", "B"),
    ("disk.device.read.latency", "rd.times", "ns"),
    ("disk.device.write.requests", "wr.reqs", "request"),
    ("disk.device.write.bytes", "wr.bytes", "B"),
    ("disk.device.write.latency", "wr.times", "ns"),
)
#: (meter, field of the interface, unit); libvirt's rx is the guest's receive side.
NIC_COUNTERS = (
    ("network.incoming.bytes", "rx.bytes", "B"),
    ("network.incoming.packets", "rx.pkts", "packet"),
    ("network.incoming.packets.error", "rx.errs", "packet"),
    ("network.incoming.packets.drop", "rx.drop", "packet"),
    ("network.outgoing.bytes", "tx.bytes", "B"),
    ("network.outgoing.packets", "tx.pkts", "packet"),
    ("network.outgoing.packets.error", "tx.errs", "packet"),
    ("network.outgoing.packets.drop", "tx.drop", "packet"),
)
#: The guest's balloon driver told its memory so long ago that it no longer says anything.
BALLOON_STALE_S = 300
#: Why a domain has fewer samples than others, and how many a report names for one reason.
NO_BALLOON = "the guest's balloon driver does not tell it"
MIGRATING = "paused for a live migration"
SHUT_OFF = "shut off"
MOST_LACKING = 100


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


def device_names(stats: Stats) -> frozenset[str]:
    """Disks and taps that the numbers name: when this changes, the XML must be read again."""
    return frozenset(
        stats[key]
        for kind in ("block", "net")
        for number in range(stats.get(f"{kind}.count", 0))
        if (key := f"{kind}.{number}.name") in stats
    )


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
    builder: BatchBuilder, row: DomainRow, info: DomainInfo, cpu_source: CpuSource
) -> list[str]:
    """Add the samples of one domain. Returns why meters are missing, as sentences."""
    state = row.stats.get("state.state")
    if state is None:
        return [f"{row.label}: libvirt gave no state"]
    resource = instance_resource(info, state)
    builder.add(resource, "power.state", state, row.at_us)
    if not is_active(row) or is_migrating(row.stats):
        return []
    _add_cpu(builder, resource, row, cpu_source)
    _add_memory(builder, resource, row)
    _add_flavor(builder, resource, row, info)
    _add_nics(builder, row, info)
    if is_held(row):
        return [f"{row.label}: busy with another job, no disk and memory counters"]
    _add_disks(builder, row, info)
    return []


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


def _add_flavor(
    builder: BatchBuilder, resource: wire.Resource, row: DomainRow, info: DomainInfo
) -> None:
    """Sizes of Nova's flavor. Root is what Nova calls `disk`, with nothing taken off."""
    if info.root_gb is not None:
        builder.add(resource, "disk.root.size", info.root_gb, row.at_us, "GiB")
    if info.ephemeral_gb is not None:
        builder.add(resource, "disk.ephemeral.size", info.ephemeral_gb, row.at_us, "GiB")


def _add_nics(builder: BatchBuilder, row: DomainRow, info: DomainInfo) -> None:
    for number in range(row.stats.get("net.count", 0)):
        resource = info.nics.get(row.stats.get(f"net.{number}.name", ""))
        if resource is not None:
            _add_counters(builder, resource, row, f"net.{number}.", NIC_COUNTERS)


def _add_disks(builder: BatchBuilder, row: DomainRow, info: DomainInfo) -> None:
    """Disks with a source, their top layer only (with backing chains a name comes again)."""
    seen = set()
    for number in range(row.stats.get("block.count", 0)):
        name = row.stats.get(f"block.{number}.name", "")
        disk = info.disks.get(name)
        if disk is None or name in seen:
            continue
        seen.add(name)
        _add_counters(builder, disk.resource, row, f"block.{number}.", DISK_COUNTERS)
        for meter, size in disk_sizes(row.stats, f"block.{number}.", disk).items():
            builder.add(disk.resource, meter, size, row.at_us, "B")


def _add_counters(
    builder: BatchBuilder,
    resource: wire.Resource,
    row: DomainRow,
    prefix: str,
    counters: tuple[tuple[str, str, str], ...],
) -> None:
    for meter, field, unit in counters:
        value = row.stats.get(prefix + field)
        if value is not None:
            builder.add(resource, meter, value, row.at_us, unit, "cumulative")


def disk_sizes(stats: Stats, prefix: str, disk: Disk) -> dict[str, int]:
    """{meter: bytes} of a running domain's disk, equal to what `blockInfo` would say.

    The bulk call uses the same words in another way while a domain runs: its `allocation` is the
    highest offset written since the start, its `physical` the bytes used on the host. The rule
    is that of sources.md 3.2, measured there. Where the image is no file that the agent can see,
    the bytes used stand for `disk.device.usage`.
    """
    capacity, allocation, physical = (
        stats.get(prefix + name) for name in ("capacity", "allocation", "physical")
    )
    if capacity is None or allocation is None or physical is None:
        return {}
    if (disk.source_type == "file" and disk.format != "raw") or allocation == 0:
        allocation = physical
    usage = physical
    if allocation == physical or physical == 0:
        usage = stats.get(prefix + "length", physical)
    return {
        "disk.device.capacity": max(capacity, usage),
        "disk.device.allocation": allocation,
        "disk.device.usage": usage,
    }
