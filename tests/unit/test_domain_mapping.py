"""From libvirt's numbers to samples: the measured dictionaries of sources.md, and known trouble."""

from __future__ import annotations

from typing import Any

import pytest

from pollers.batch import BatchBuilder
from pollers.compute.deltas import Deltas
from pollers.compute.devices import disk_sizes
from pollers.compute.domain_xml import Disk, parse_domain
from pollers.compute.mapping import add_domain, choose_cpu_source, cpu_time, memory_mib
from pollers.compute.rows import DomainRow, is_held, sighting
from tests.libvirt_host import nova_metadata
from tests.samples import samples_of, values_of

UUID = "6f1a2b3c-0000-4000-8000-000000000001"
AT_US = 1_764_000_000_123_000
NIC = f"i1-{UUID}-tapabc"
XML = f"""
<domain><name>i1</name><uuid>{UUID}</uuid>{nova_metadata("p1", "u1")}
  <vcpu>2</vcpu><os><type arch='x86_64'>hvm</type></os><devices>
  <disk type='file'><driver type='qcow2'/><source file='/d.qcow2'/><target dev='vda'/></disk>
  <disk type='file' device='cdrom'><target dev='hda'/></disk>
  <interface type='ethernet'><mac address='fa:16:3e:11:aa:22'/><target dev='tapabc'/></interface>
</devices></domain>"""
INFO = parse_domain(XML, "cmp01")
#: Measured on libvirt 9.0.0: a running QEMU domain, an empty CD drive beside its disk.
RUNNING: dict[str, Any] = {
    "state.state": 1, "state.reason": 1,
    "cpu.time": 429365000, "cpu.user": 229918000, "cpu.system": 199446000,
    "balloon.current": 65536, "balloon.maximum": 65536, "balloon.last-update": 0,
    "balloon.rss": 45972,
    "vcpu.current": 2, "vcpu.maximum": 2,
    "vcpu.0.state": 1, "vcpu.0.time": 90000000, "vcpu.0.wait": 0, "vcpu.0.delay": 1237508204,
    "vcpu.1.state": 1, "vcpu.1.time": 60000000, "vcpu.1.wait": 5, "vcpu.1.delay": 12,
    "net.count": 1, "net.0.name": "tapabc",
    "net.0.rx.bytes": 11, "net.0.rx.pkts": 12, "net.0.rx.errs": 13, "net.0.rx.drop": 14,
    "net.0.tx.bytes": 21, "net.0.tx.pkts": 22, "net.0.tx.errs": 23, "net.0.tx.drop": 24,
    "block.count": 2, "block.0.name": "vda", "block.0.path": "/d.qcow2",
    "block.0.backingIndex": 3,
    "block.0.rd.reqs": 1, "block.0.rd.bytes": 512, "block.0.rd.times": 9686279,
    "block.0.wr.reqs": 0, "block.0.wr.bytes": 0, "block.0.wr.times": 0,
    "block.0.fl.reqs": 0, "block.0.fl.times": 0,
    "block.0.allocation": 0, "block.0.capacity": 67108864, "block.0.physical": 1318912,
    "block.0.length": 1376256,
    "block.1.name": "hda", "block.1.rd.reqs": 0, "block.1.rd.bytes": 0, "block.1.wr.bytes": 0,
}  # fmt: skip
#: Measured: the same domain shut off. `cpu.time` is stale and must not be believed.
SHUT_OFF: dict[str, Any] = {
    "state.state": 5, "state.reason": 2, "cpu.time": 1740000000,
    "balloon.current": 65536, "balloon.maximum": 65536, "vcpu.current": 2, "vcpu.maximum": 2,
    "block.count": 1, "block.0.name": "vda", "block.0.path": "/d.qcow2",
    "block.0.allocation": 1314816, "block.0.capacity": 67108864, "block.0.physical": 1376256,
}  # fmt: skip
#: Measured with NOWAIT while another job holds the domain: nothing that needs its monitor.
HELD: dict[str, Any] = {
    "state.state": 1, "state.reason": 1, "cpu.time": 620000000, "cpu.user": 370000000,
    "cpu.system": 250000000, "balloon.current": 65536, "balloon.maximum": 65536,
    "vcpu.current": 1, "vcpu.maximum": 1, "vcpu.0.state": 1, "vcpu.0.time": 270000000,
    "vcpu.0.wait": 0, "net.count": 0, "block.count": 2, "block.0.name": "vda",
    "block.0.path": "/d.qcow2", "block.0.backingIndex": 2, "block.1.name": "hda",
}  # fmt: skip


def row(stats: dict[str, Any], runtime_id: int = 1) -> DomainRow:
    return DomainRow(UUID, "i1", -1 if stats["state.state"] == 5 else runtime_id, stats, AT_US)


def mapped(stats: dict[str, Any]) -> tuple[dict[tuple[str, str], float], list[str]]:
    builder = BatchBuilder("test")
    problems = add_domain(builder, row(stats), INFO, choose_cpu_source(stats), Deltas())
    assert not builder.rejects
    return values_of(builder), problems


def test_the_measured_running_domain_gives_exactly_these_samples() -> None:
    values, problems = mapped(RUNNING)
    assert problems == []
    assert values == {
        (UUID, "power.state"): 1,
        (UUID, "cpu"): 150000005,
        (UUID, "vcpus"): 2,
        (UUID, "memory"): 64,
        (UUID, "memory.resident"): 45972 / 1024,
        (UUID, "disk.root.size"): 1,
        (UUID, "disk.ephemeral.size"): 5,
        (NIC, "network.incoming.bytes"): 11,
        (NIC, "network.incoming.packets"): 12,
        (NIC, "network.incoming.packets.error"): 13,
        (NIC, "network.incoming.packets.drop"): 14,
        (NIC, "network.outgoing.bytes"): 21,
        (NIC, "network.incoming.bytes.delta"): 0,
        (NIC, "network.outgoing.bytes.delta"): 0,
        (NIC, "network.outgoing.packets"): 22,
        (NIC, "network.outgoing.packets.error"): 23,
        (NIC, "network.outgoing.packets.drop"): 24,
        (f"{UUID}-vda", "disk.device.read.requests"): 1,
        (f"{UUID}-vda", "disk.device.read.bytes"): 512,
        (f"{UUID}-vda", "disk.device.read.latency"): 9686279,
        (f"{UUID}-vda", "disk.device.write.requests"): 0,
        (f"{UUID}-vda", "disk.device.write.bytes"): 0,
        (f"{UUID}-vda", "disk.device.write.latency"): 0,
        (f"{UUID}-vda", "disk.device.capacity"): 67108864,
        (f"{UUID}-vda", "disk.device.allocation"): 1318912,
        (f"{UUID}-vda", "disk.device.usage"): 1376256,
    }


def test_units_and_types_are_the_classic_ones() -> None:
    builder = BatchBuilder("test")
    add_domain(builder, row(RUNNING), INFO, "vcpu", Deltas())
    found = {
        key[1]: (sample.series.unit, sample.series.type)
        for key, sample in samples_of(builder).items()
    }
    assert found["cpu"] == ("ns", "cumulative")
    assert found["vcpus"] == ("vcpu", "gauge")
    assert found["memory"] == found["memory.resident"] == ("MiB", "gauge")
    assert found["power.state"] == ("", "gauge")
    assert found["disk.device.read.bytes"] == ("B", "cumulative")
    assert found["disk.device.read.latency"] == ("ns", "cumulative")
    assert found["disk.device.write.requests"] == ("request", "cumulative")
    assert found["disk.device.usage"] == ("B", "gauge")
    assert found["disk.root.size"] == ("GiB", "gauge")
    assert found["network.incoming.bytes"] == ("B", "cumulative")
    assert found["network.outgoing.packets.drop"] == ("packet", "cumulative")


def test_every_sample_has_the_time_of_the_one_call_and_the_owner_of_the_instance() -> None:
    builder = BatchBuilder("test")
    add_domain(builder, row(RUNNING), INFO, "vcpu", Deltas())
    for sample in samples_of(builder).values():
        assert sample.at_us == AT_US
        assert (sample.resource.project_id, sample.resource.user_id) == ("p1", "u1")


def test_a_shut_off_domain_gives_its_state_and_nothing_stale() -> None:
    assert mapped(SHUT_OFF) == ({(UUID, "power.state"): 5}, [])


@pytest.mark.parametrize(
    ("code", "state", "status"),
    [
        (0, "pending", "building"), (1, "running", "active"), (2, "running", "active"),
        (3, "paused", "paused"), (4, "shutdown", "stopped"), (5, "shutdown", "stopped"),
        (6, "crashed", "error"), (7, "suspended", "suspended"),
    ],
)  # fmt: skip
def test_every_state_is_told_as_number_and_in_words(code: int, state: str, status: str) -> None:
    builder = BatchBuilder("test")
    add_domain(builder, row({"state.state": code, "state.reason": 1}), INFO, "total", Deltas())
    sample = samples_of(builder)[UUID, "power.state"]
    assert sample.value == code
    assert (sample.resource.metadata["state"], sample.resource.metadata["status"]) == (
        state,
        status,
    )


@pytest.mark.parametrize("reason", [2, 11, 12])
def test_a_side_of_a_live_migration_on_which_the_guest_does_not_run_gives_no_counters(
    reason: int,
) -> None:
    values, _ = mapped(RUNNING | {"state.state": 3, "state.reason": reason})
    assert values == {(UUID, "power.state"): 3}


def test_a_domain_paused_by_a_user_keeps_its_counters() -> None:
    values, _ = mapped(RUNNING | {"state.state": 3, "state.reason": 1})
    assert values[UUID, "cpu"] == 150000005


def test_a_held_domain_gives_what_needs_no_monitor_and_the_reason() -> None:
    values, problems = mapped(HELD)
    assert set(values) == {
        (UUID, meter)
        for meter in (
            "power.state", "cpu", "vcpus", "memory", "disk.root.size", "disk.ephemeral.size"
        )
    }  # fmt: skip
    assert problems == [f"i1 ({UUID}): busy with another job, no disk and memory counters"]


def test_only_a_held_domain_is_taken_for_one() -> None:
    assert is_held(row(HELD))
    assert not is_held(row(RUNNING))
    assert not is_held(row(SHUT_OFF))
    assert not is_held(row({"state.state": 1, "block.count": 0}))


def test_performance_events_that_the_domain_enables_are_gauges_without_unit() -> None:
    builder = BatchBuilder("test")
    events = {
        "perf.cpu_cycles": 100, "perf.instructions": 90, "perf.cache_references": 8,
        "perf.cache_misses": 0,
    }  # fmt: skip
    add_domain(builder, row(RUNNING | events), INFO, "vcpu", Deltas())
    found = {
        meter: (sample.value, sample.series.type, sample.series.unit)
        for (_, meter), sample in samples_of(builder).items()
        if meter.startswith("perf.")
    }
    assert found == {
        "perf.cpu.cycles": (100, "gauge", ""),
        "perf.instructions": (90, "gauge", ""),
        "perf.cache.references": (8, "gauge", ""),
        "perf.cache.misses": (0, "gauge", ""),
    }


# --- cpu -------------------------------------------------------------------------------------


def test_cpu_is_the_vcpus_time_and_wait_over_numbers_with_holes() -> None:
    stats = {
        "vcpu.current": 2, "vcpu.maximum": 4, "cpu.time": 999,
        "vcpu.0.time": 10, "vcpu.0.wait": 1, "vcpu.3.time": 20, "vcpu.3.wait": 2,
        "vcpu.3.delay": 500,
    }  # fmt: skip
    assert choose_cpu_source(stats) == "vcpu"
    assert cpu_time(stats, "vcpu") == 33


@pytest.mark.parametrize(
    "stats",
    [
        {"vcpu.current": 1, "vcpu.maximum": 1, "vcpu.0.time": 10, "cpu.time": 99},
        {"vcpu.current": 2, "vcpu.maximum": 2, "vcpu.0.time": 1, "vcpu.0.wait": 0, "cpu.time": 99},
        {"cpu.time": 99},
    ],
    ids=["no wait", "one vcpu silent", "no vcpus"],
)
def test_cpu_falls_back_to_the_total_as_a_whole(stats: dict[str, int]) -> None:
    assert choose_cpu_source(stats) == "total"
    assert cpu_time(stats, "total") == 99


def test_the_source_of_cpu_once_chosen_is_not_swapped_for_the_other() -> None:
    later = {"vcpu.current": 2, "vcpu.maximum": 2, "cpu.time": 99}
    assert cpu_time(later, "vcpu") is None


# --- memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stats", "usage"),
    [
        ({"current": 2097152, "available": 1048576, "usable": 524288}, 512),
        ({"available": 1048576, "unused": 262144}, 768),
        ({"current": 2097152, "rss": 45972}, None),
        ({"available": 1048576}, None),
    ],
    ids=["usable", "unused", "no balloon driver", "available alone"],
)
def test_memory_usage_is_what_the_guest_tells_or_absent(
    stats: dict[str, int], usage: float | None
) -> None:
    found = memory_mib({f"balloon.{name}": value for name, value in stats.items()}, AT_US)
    assert found.get("memory.usage") == usage
    assert ("memory.resident" in found) == ("rss" in stats)


def test_numbers_that_the_guest_told_long_ago_are_not_told_again() -> None:
    stats = {"balloon.available": 1048576, "balloon.usable": 524288, "balloon.current": 2097152}
    told = AT_US // 1_000_000
    assert "memory.usage" in memory_mib(stats | {"balloon.last-update": told - 20}, AT_US)
    assert memory_mib(stats | {"balloon.last-update": told - 3600}, AT_US) == {"memory": 2048}


def test_swap_is_told_only_when_both_ways_are_known() -> None:
    both, _ = mapped(RUNNING | {"balloon.swap_in": 2048, "balloon.swap_out": 0})
    one, _ = mapped(RUNNING | {"balloon.swap_in": 2048})
    assert (both[UUID, "memory.swap.in"], both[UUID, "memory.swap.out"]) == (2, 0)
    assert not any(meter.startswith("memory.swap") for _, meter in one)


# --- disks and NICs --------------------------------------------------------------------------

QCOW2 = Disk(INFO.disks["vda"].resource, "file", "qcow2")
RAW = Disk(INFO.disks["vda"].resource, "file", "raw")
RBD = Disk(INFO.disks["vda"].resource, "network", "raw")


@pytest.mark.parametrize(
    ("disk", "allocation", "physical", "length", "expected"),
    [
        (QCOW2, 0, 204_800, 196_616, (204_800, 196_616)),
        (QCOW2, 1_376_256, 1_318_912, 1_376_256, (1_318_912, 1_376_256)),
        (RAW, 0, 8_192, 8_388_608, (8_192, 8_388_608)),
        (RAW, 5_242_880, 1_056_768, 8_388_608, (5_242_880, 1_056_768)),
        (QCOW2, 0, 204_800, None, (204_800, 204_800)),
        (RBD, 4_096, 8_192, None, (4_096, 8_192)),
    ],
    ids=["qcow2 fresh", "qcow2 written", "raw fresh", "raw written", "unseen file", "rbd"],
)
def test_sizes_are_those_of_block_info_as_measured(
    disk: Disk, allocation: int, physical: int, length: int | None, expected: tuple[int, int]
) -> None:
    stats = {"b.capacity": 67_108_864, "b.allocation": allocation, "b.physical": physical}
    if length is not None:
        stats["b.length"] = length
    found = disk_sizes(stats, "b.", disk)
    assert (found["disk.device.allocation"], found["disk.device.usage"]) == expected
    assert found["disk.device.capacity"] == 67_108_864


def test_the_capacity_of_an_iso_is_never_below_its_usage() -> None:
    stats = {"b.capacity": 374784, "b.allocation": 376832, "b.physical": 376832, "b.length": 376832}
    assert disk_sizes(stats, "b.", RAW) == {
        "disk.device.capacity": 376832,
        "disk.device.allocation": 376832,
        "disk.device.usage": 376832,
    }


def test_a_disk_whose_sizes_are_not_told_has_none() -> None:
    assert disk_sizes({"b.capacity": 1}, "b.", RAW) == {}


def test_only_the_top_layer_of_a_backing_chain_counts() -> None:
    values, _ = mapped(
        RUNNING
        | {"block.count": 3, "block.2.name": "vda", "block.2.backingIndex": 4,
           "block.2.rd.bytes": 777}
    )  # fmt: skip
    assert values[f"{UUID}-vda", "disk.device.read.bytes"] == 512


def test_a_slirp_interface_without_fields_gives_nothing() -> None:
    without_name = {key: value for key, value in RUNNING.items() if not key.startswith("net.0.")}
    values, problems = mapped(without_name)
    assert not any(meter.startswith("network.") for _, meter in values)
    assert problems == []


def test_devices_that_came_or_went_show_in_the_names() -> None:
    assert sighting(row(RUNNING)).devices == {("vda", "/d.qcow2"), ("hda", ""), ("tapabc", "")}
    assert sighting(row(SHUT_OFF)).devices == {("vda", "/d.qcow2")}


def test_numbers_without_a_state_are_a_problem_in_words() -> None:
    builder = BatchBuilder("test")
    nothing = DomainRow(UUID, "i1", 1, {}, AT_US)
    assert add_domain(builder, nothing, INFO, "vcpu", Deltas()) == [
        f"i1 ({UUID}): libvirt gave no state"
    ]
    assert builder.samples == 0
