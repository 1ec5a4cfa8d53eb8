"""Names of all meters of the compute agent, for the wildcards of polling files."""

from __future__ import annotations

from pollers.compute import devices, host, mapping

HOST_METERS = tuple(
    f"hardware.{name}"
    for name in (
        "cpu.util", "cpu.load.1min", "cpu.load.5min", "cpu.load.15min", "memory.total",
        "memory.used", "memory.buffer", "memory.cached", "memory.swap.total",
        "memory.swap.avail", "uptime", "disk.size.total", "disk.size.used",
        *(f"disk.{counter}" for counter, _, _ in host.DISK_COUNTERS),
        *(f"network.{counter}" for counter, _, _ in host.NIC_COUNTERS),
    )
)  # fmt: skip
DOMAIN_METERS = (
    "power.state", "cpu", "vcpus", "memory", "memory.available", "memory.usage",
    "memory.resident", "memory.swap.in", "memory.swap.out", "disk.root.size",
    "disk.ephemeral.size", "disk.device.capacity", "disk.device.allocation",
    "disk.device.usage",
    *(counter for counter, _, _ in devices.DISK_COUNTERS),
    *(counter for counter, _, _ in devices.NIC_COUNTERS),
    *(delta for delta, _ in devices.NIC_DELTAS),
    *(gauge for gauge, _ in mapping.PERF_GAUGES),
)  # fmt: skip
COMPUTE_METERS = (*DOMAIN_METERS, *HOST_METERS)
