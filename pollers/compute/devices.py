"""Samples of a domain's disks and NICs (sources.md 2.1, 3.1, 3.2). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from meters import wire
from pollers.batch import BatchBuilder
from pollers.compute.deltas import Deltas
from pollers.compute.domain_xml import Disk, DomainInfo
from pollers.compute.rows import DomainRow, Stats

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
#: (meter, field of the interface)
NIC_DELTAS = (
    ("network.incoming.bytes.delta", "rx.bytes"),
    ("network.outgoing.bytes.delta", "tx.bytes"),
)


def add_nics(builder: BatchBuilder, row: DomainRow, info: DomainInfo, deltas: Deltas) -> None:
    for number in range(row.stats.get("net.count", 0)):
        resource = info.nics.get(row.stats.get(f"net.{number}.name", ""))
        if resource is not None:
            _add_counters(builder, resource, row, f"net.{number}.", NIC_COUNTERS)
            for meter, field in NIC_DELTAS:
                value = row.stats.get(f"net.{number}.{field}")
                if value is not None:
                    deltas.add(builder, row.uuid, resource, meter, value, row.at_us)


def add_disks(builder: BatchBuilder, row: DomainRow, info: DomainInfo) -> None:
    for prefix, disk in _top_layers(row, info):
        _add_counters(builder, disk.resource, row, prefix, DISK_COUNTERS)
        _add_sizes(builder, disk, row, disk_sizes(row.stats, prefix, disk))


def add_stopped_disks(builder: BatchBuilder, row: DomainRow, info: DomainInfo) -> None:
    """While a domain is shut off, the bulk call's words mean the same as those of `blockInfo`."""
    for prefix, disk in _top_layers(row, info):
        told = _told_sizes(row.stats, prefix)
        if told is not None:
            capacity, allocation, physical = told
            _add_sizes(builder, disk, row, _sizes(capacity, allocation, physical))


def _top_layers(row: DomainRow, info: DomainInfo) -> Iterator[tuple[str, Disk]]:
    """(prefix of the fields, disk) of those with a source; a backing chain has a name again."""
    seen = set()
    for number in range(row.stats.get("block.count", 0)):
        name = row.stats.get(f"block.{number}.name", "")
        disk = info.disks.get(name)
        if disk is not None and name not in seen:
            seen.add(name)
            yield f"block.{number}.", disk


def _add_sizes(builder: BatchBuilder, disk: Disk, row: DomainRow, sizes: dict[str, int]) -> None:
    for meter, size in sizes.items():
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
    told = _told_sizes(stats, prefix)
    if told is None:
        return {}
    capacity, allocation, physical = told
    if (disk.source_type == "file" and disk.format != "raw") or allocation == 0:
        allocation = physical
    usage = physical
    if allocation == physical or physical == 0:
        usage = stats.get(prefix + "length", physical)
    return _sizes(capacity, allocation, usage)


def _told_sizes(stats: Stats, prefix: str) -> tuple[int, int, int] | None:
    """(capacity, allocation, physical) in libvirt's words; None where one is missing."""
    told = tuple(stats.get(prefix + name) for name in ("capacity", "allocation", "physical"))
    return None if None in told else cast(tuple[int, int, int], told)


def _sizes(capacity: int, allocation: int, usage: int) -> dict[str, int]:
    return {
        "disk.device.capacity": max(capacity, usage),
        "disk.device.allocation": allocation,
        "disk.device.usage": usage,
    }
