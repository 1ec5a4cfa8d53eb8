"""The machine itself as a resource, by psutil; needs neither root nor libvirt.

Meters and units are those of the classic SNMP source (sources.md 4.4: KB is 1024 bytes), with
packets, errors and drops of both directions and the disks' I/O counters beside them. Resources:
the host (type `host`), `host.<device>` (`host_disk`), `host.<nic>` (`host_network_interface`).
"""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil
import structlog

from meters import wire
from pollers import poll_metrics
from pollers.batch import BatchBuilder
from pollers.polls import Findings
from telemetry_site.clock import now_us

log = structlog.get_logger(__name__)

#: Devices that are no disks, file systems that hold no data of the host, and NICs that come and
#: go with guests and containers (their numbers belong to those).
NO_DISKS = ("loop", "ram", "zram", "fd", "sr")
PSEUDO_FILE_SYSTEMS = {"squashfs", "iso9660", "overlay", "erofs"}
GUEST_NICS = ("veth", "tap", "vnet", "qbr", "qvb", "qvo", "cali", "fwpr", "fwln")
#: Without an earlier reading, CPU use is measured over this time.
FIRST_CPU_WINDOW_S = 0.2

NIC_COUNTERS = (
    ("incoming.bytes", "bytes_recv", "B"),
    ("incoming.packets", "packets_recv", "packet"),
    ("incoming.errors", "errin", "packet"),
    ("incoming.drops", "dropin", "packet"),
    ("outgoing.bytes", "bytes_sent", "B"),
    ("outgoing.packets", "packets_sent", "packet"),
    ("outgoing.errors", "errout", "packet"),
    ("outgoing.drops", "dropout", "packet"),
)
DISK_COUNTERS = (
    ("read.bytes", "read_bytes", "B"),
    ("write.bytes", "write_bytes", "B"),
    ("read.requests", "read_count", "request"),
    ("write.requests", "write_count", "request"),
)

Put = Callable[..., object]


class HostSource:
    """One machine. Each part stands alone: one that fails is named, the others go on."""

    kind = "host"

    def __init__(self, host: str) -> None:
        self.name = host
        self._resource = wire.Resource(host, None, None, "host", host_metadata(host), "hardware")
        self._cpu: tuple[float, float] | None = None

    def poll(self, builder: BatchBuilder) -> Findings:
        at_us = now_us() // 1000 * 1000
        problems = []
        for part in (
            self._cpu_use, self._load, self._memory, self._swap, self._uptime,
            self._file_systems, self._disks, self._nics,
        ):  # fmt: skip
            name = part.__name__.strip("_")
            try:
                part(partial(self._put, builder, at_us))
            except Exception as error:
                poll_metrics.PART_ERRORS.labels("host", name).inc()
                log.debug("part of the host poll failed", part=name, exc_info=True)
                problems.append(f"{name}: {type(error).__name__}: {error}")
        return Findings(problems)

    def _put(
        self, builder: BatchBuilder, at_us: int, meter: str, value: float, unit: str,
        type: wire.SampleType = "gauge", resource: wire.Resource | None = None,
    ) -> None:  # fmt: skip
        builder.add(resource or self._resource, f"hardware.{meter}", value, at_us, unit, type)

    def _cpu_use(self, put: Put) -> None:
        before = self._cpu
        if before is None:
            before = cpu_seconds()
            time.sleep(FIRST_CPU_WINDOW_S)
        self._cpu = busy, total = cpu_seconds()
        if total > before[1]:
            share = (busy - before[0]) / (total - before[1])
            put("cpu.util", min(max(share * 100, 0.0), 100.0), "%")

    def _load(self, put: Put) -> None:
        for minutes, load in zip((1, 5, 15), psutil.getloadavg(), strict=True):
            put(f"cpu.load.{minutes}min", load, "process")

    def _memory(self, put: Put) -> None:
        memory = psutil.virtual_memory()
        put("memory.total", memory.total / 1024, "KB")
        put("memory.used", (memory.total - memory.available) / 1024, "KB")
        put("memory.buffer", memory.buffers / 1024, "KB")
        put("memory.cached", memory.cached / 1024, "KB")

    def _swap(self, put: Put) -> None:
        swap = psutil.swap_memory()
        put("memory.swap.total", swap.total / 1024, "KB")
        put("memory.swap.avail", swap.free / 1024, "KB")

    def _uptime(self, put: Put) -> None:
        put("uptime", time.clock_gettime(time.CLOCK_BOOTTIME), "s")

    def _file_systems(self, put: Put) -> None:
        """Size of each file system on a device, once, however often it is mounted."""
        failed = []
        for device, mount in mounted_devices().items():
            try:
                usage = psutil.disk_usage(mount)
            except OSError as error:
                failed.append(f"{mount}: {error.strerror}")
                continue
            disk = self._disk(device)
            put("disk.size.total", usage.total / 1024, "KB", resource=disk)
            put("disk.size.used", usage.used / 1024, "KB", resource=disk)
        if failed:
            raise OSError("; ".join(failed))

    def _disks(self, put: Put) -> None:
        for device, counters in (psutil.disk_io_counters(perdisk=True) or {}).items():
            if not device.startswith(NO_DISKS):
                _put_counters(put, "disk", DISK_COUNTERS, counters, self._disk(device))

    def _nics(self, put: Put) -> None:
        macs, states = mac_addresses(), psutil.net_if_stats()
        for nic, counters in psutil.net_io_counters(pernic=True).items():
            used = nic in states and (states[nic].isup or any(counters))
            if used and nic != "lo" and not nic.startswith(GUEST_NICS):
                metadata = {"host_name": self.name, "device_name": nic, "mac": macs.get(nic)}
                resource = wire.Resource(
                    f"{self.name}.{nic}", None, None, "host_network_interface", metadata, "hardware"
                )
                _put_counters(put, "network", NIC_COUNTERS, counters, resource)

    def _disk(self, device: str) -> wire.Resource:
        metadata = {"host_name": self.name, "device_name": device}
        return wire.Resource(f"{self.name}.{device}", None, None, "host_disk", metadata, "hardware")


def _put_counters(
    put: Put,
    family: str,
    counters: tuple[tuple[str, str, str], ...],
    values: Any,
    resource: wire.Resource,
) -> None:
    for meter, field, unit in counters:
        put(f"{family}.{meter}", getattr(values, field), unit, "cumulative", resource)


def host_metadata(host: str) -> dict[str, Any]:
    """Facts that change at a boot at the most."""
    return {
        "host_name": host,
        "display_name": host,
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "cpu_number": psutil.cpu_count(),
    }


def cpu_seconds() -> tuple[float, float]:
    """(busy, total) seconds of all CPUs since boot.

    Linux counts a guest's time in user's, too; waiting for I/O is idle time.
    """
    times = psutil.cpu_times()._asdict()
    total = sum(times.values()) - times.get("guest", 0) - times.get("guest_nice", 0)
    return total - times["idle"] - times.get("iowait", 0), total


def mounted_devices() -> dict[str, str]:
    """{device without /dev/: its shortest mount point}, no pseudo file systems."""
    mounts: dict[str, str] = {}
    for partition in psutil.disk_partitions(all=False):
        # /dev/mapper/… is a link to the name that the I/O counters have
        device = os.path.realpath(partition.device).removeprefix("/dev/").replace("/", "_")
        if partition.fstype in PSEUDO_FILE_SYSTEMS or device.startswith(NO_DISKS):
            continue
        known = mounts.get(device)
        if known is None or len(partition.mountpoint) < len(known):
            mounts[device] = partition.mountpoint
    return mounts


def mac_addresses() -> dict[str, str]:
    return {
        nic: address.address
        for nic, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_PACKET
    }
