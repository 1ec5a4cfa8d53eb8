"""The hypervisor source against a real libvirtd with real QEMU guests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from meters import wire
from pollers.batch import BatchBuilder
from pollers.compute.hypervisor import Hypervisor
from pollers.compute.libvirt_source import LibvirtSource
from pollers.polls import run_poll
from telemetry_site.clock import now_us
from tests.libvirt_host import LibvirtHost, libvirt_host, nova_metadata, why_not

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "libvirt is there"),
]

WEB = "6f1a2b3c-0000-4000-8000-0000000000a1"
OLD = "6f1a2b3c-0000-4000-8000-0000000000a2"
PLAIN = "6f1a2b3c-0000-4000-8000-0000000000a3"
NIC = f"instance-00000001-{WEB}-tlmtap1"
DEADLINE_S = 4.0

Samples = dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def host() -> Iterator[LibvirtHost]:
    """Three running guests: Nova's with new and old metadata, and a plain one."""
    with libvirt_host() as made:
        made.define("instance-00000001", WEB, nova_metadata("p1", "u1"), tap="tlmtap1")
        made.define("instance-00000002", OLD, nova_metadata("p1", "u1", "old-1", version="1.0"))
        made.define("plain", PLAIN)
        for name in ("instance-00000001", "instance-00000002", "plain"):
            made.virsh("start", name)
        yield made


@pytest.fixture
def hypervisor(host: LibvirtHost) -> Iterator[Hypervisor]:
    made = Hypervisor(host.uri, DEADLINE_S)
    yield made
    made.close()


@pytest.fixture
def source(hypervisor: Hypervisor) -> LibvirtSource:
    return LibvirtSource(hypervisor, "cmp01", ("", ""))


def poll(source: LibvirtSource) -> tuple[Samples, wire.PollReport]:
    samples, report, _ = poll_with_resources(source)
    return samples, report


def poll_with_resources(
    source: LibvirtSource,
) -> tuple[Samples, wire.PollReport, dict[str, wire.Resource]]:
    builder = BatchBuilder("compute.test")
    report = run_poll(source, builder, now_us(), 10)
    samples: Samples = {}
    resources = {}
    for batch in builder.batches():
        if batch.samples is not None:
            catalogue = wire.decode_catalogue(batch.samples)
            columns = wire.decode_columns(batch.samples)
            for index, value in zip(columns.index, columns.value, strict=True):
                series = catalogue.series[index]
                resource = catalogue.resources[series.resource]
                resources[resource.id] = resource
                samples[resource.id, series.meter] = float(value)
    assert not builder.rejects
    return samples, report, resources


def meters_of(samples: Samples, resource: str) -> set[str]:
    return {meter for name, meter in samples if name == resource}


def vcpu_time(stats: dict[str, str]) -> int:
    return int(stats["vcpu.0.time"]) + int(stats["vcpu.0.wait"])


def test_cpu_memory_and_counters_equal_what_virsh_says_around_the_same_second(
    host: LibvirtHost, source: LibvirtSource
) -> None:
    before = host.stats("instance-00000001")
    samples, report = poll(source)
    after = host.stats("instance-00000001")

    assert (report.outcome, report.errors) == ("ok", [])
    assert vcpu_time(before) <= samples[WEB, "cpu"] <= vcpu_time(after)
    assert samples[WEB, "cpu"] > 0
    assert samples[WEB, "memory"] == int(before["balloon.current"]) / 1024 == 32
    resident = samples[WEB, "memory.resident"] * 1024
    assert resident == pytest.approx(int(after["balloon.rss"]), rel=0.05)
    for resource, meter, field in (
        (f"{WEB}-vda", "disk.device.write.bytes", "block.0.wr.bytes"),
        (f"{WEB}-vda", "disk.device.write.requests", "block.0.wr.reqs"),
        (f"{WEB}-vda", "disk.device.read.bytes", "block.0.rd.bytes"),
        (NIC, "network.incoming.bytes", "net.0.rx.bytes"),
        (NIC, "network.incoming.packets", "net.0.rx.pkts"),
    ):
        assert int(before[field]) <= samples[resource, meter] <= int(after[field]), meter
        assert samples[resource, meter] > 0, meter
    assert samples[f"{WEB}-vda", "disk.device.capacity"] == 1 << 20


def test_the_counters_of_a_working_guest_grow_from_poll_to_poll(source: LibvirtSource) -> None:
    first, _ = poll(source)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        later, _ = poll(source)
        meter = f"{WEB}-vda", "disk.device.write.bytes"
        if later[meter] > first[meter] and later[WEB, "cpu"] > first[WEB, "cpu"]:
            return
        time.sleep(0.5)
    pytest.fail("a guest that writes each second seems to stand still")


def test_disk_sizes_equal_block_info_of_the_classic_agent(
    host: LibvirtHost, source: LibvirtSource
) -> None:
    samples, _ = poll(source)
    told = host.virsh("domblkinfo", "instance-00000001", "vda").split()
    capacity, allocation, physical = (int(word) for word in told if word.isdigit())

    assert samples[f"{WEB}-vda", "disk.device.capacity"] == max(capacity, physical)
    assert samples[f"{WEB}-vda", "disk.device.allocation"] == allocation
    assert samples[f"{WEB}-vda", "disk.device.usage"] == physical


def test_owners_come_from_new_and_old_nova_metadata_and_a_plain_domain_has_none(
    source: LibvirtSource,
) -> None:
    samples, _, resources = poll_with_resources(source)

    for uuid, name in ((WEB, "web-1"), (OLD, "old-1")):
        resource = resources[uuid]
        assert (resource.project_id, resource.user_id) == ("p1", "u1")
        assert resource.metadata["display_name"] == name
    plain = resources[PLAIN]
    assert (plain.project_id, plain.user_id, plain.metadata["flavor"]) == (None, None, None)
    assert plain.metadata["display_name"] == "plain"
    assert samples[PLAIN, "power.state"] == 1
    assert resources[NIC].metadata["instance_id"] == WEB
    assert resources[f"{WEB}-vda"].type == "instance_disk"


def test_an_empty_cd_drive_is_not_measured_and_not_mentioned(source: LibvirtSource) -> None:
    samples, report = poll(source)
    assert not any(resource.endswith("-hda") for resource, _ in samples)
    assert report.errors == []


def test_a_stopped_started_and_undefined_domain_is_followed(
    host: LibvirtHost, source: LibvirtSource
) -> None:
    uuid = "6f1a2b3c-0000-4000-8000-0000000000a4"
    host.define("mortal", uuid)
    assert poll(source)[0][uuid, "power.state"] == 5

    host.virsh("start", "mortal")
    running, report = poll(source)
    assert running[uuid, "power.state"] == 1
    assert {"cpu", "memory", "vcpus"} <= meters_of(running, uuid)

    host.virsh("destroy", "mortal")
    stopped, _ = poll(source)
    assert meters_of(stopped, uuid) == {"power.state"}
    assert not meters_of(stopped, f"{uuid}-vda")

    host.virsh("start", "mortal")
    deadline = time.monotonic() + 20  # in its first moment a domain has used no time
    while not (again := poll(source)[0])[uuid, "cpu"]:
        assert time.monotonic() < deadline
    assert again[uuid, "cpu"] > 0

    host.remove("mortal")
    gone, report = poll(source)
    assert not meters_of(gone, uuid)
    assert report.outcome == "ok"
    assert gone[WEB, "power.state"] == 1


def test_a_paused_domain_keeps_its_counters(host: LibvirtHost, source: LibvirtSource) -> None:
    host.virsh("suspend", "plain")
    try:
        samples, _ = poll(source)
    finally:
        host.virsh("resume", "plain")
    assert samples[PLAIN, "power.state"] == 3
    assert samples[PLAIN, "cpu"] > 0


def test_a_frozen_guest_is_named_and_the_others_are_polled_within_the_deadline(
    host: LibvirtHost, source: LibvirtSource, hypervisor: Hypervisor
) -> None:
    poll(source)
    with host.frozen("plain"):
        started = time.monotonic()
        samples, report = poll(source)
        assert time.monotonic() - started < DEADLINE_S + 1
        assert report.outcome == "partial"
        assert any("plain" in error and PLAIN in error for error in report.errors)
        assert any("monitor does not answer" in error for error in report.errors)
        for uuid in (WEB, OLD):
            assert {"cpu", "memory", "memory.resident"} <= meters_of(samples, uuid)
            assert (f"{uuid}-vda", "disk.device.write.bytes") in samples
        assert (f"{PLAIN}-vda", "disk.device.write.bytes") not in samples

        started = time.monotonic()
        samples, report = poll(source)
        assert time.monotonic() - started < DEADLINE_S / 2, (
            "the culprit is known and must cost no time"
        )
        assert report.outcome == "partial"
        assert (WEB, "cpu") in samples
    wait_until_healthy(source)
    assert len(hypervisor.aside) == 0


def wait_until_healthy(source: LibvirtSource, within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        samples, report = poll(source)
        if report.outcome == "ok" and (PLAIN, "memory.resident") in samples:
            return
        time.sleep(0.3)
    pytest.fail(f"not healthy again: {report.errors}")


def test_after_a_restart_of_libvirtd_the_next_poll_is_complete(
    host: LibvirtHost, source: LibvirtSource
) -> None:
    poll(source)
    host.kill()
    host.start()
    samples, report = poll(source)
    assert (report.outcome, report.errors) == ("ok", [])
    assert (WEB, "cpu") in samples


def test_while_libvirtd_is_away_the_report_says_so_with_the_uri(
    host: LibvirtHost, source: LibvirtSource
) -> None:
    poll(source)
    host.kill()
    try:
        samples, report = poll(source)
        assert samples == {}
        assert report.outcome == "error"
        assert source.name in report.errors[0]
        assert "Failed to connect socket" in report.errors[0]
    finally:
        host.start()
    assert poll(source)[1].outcome == "ok"


def test_a_silent_libvirtd_costs_no_more_than_the_deadline(
    host: LibvirtHost, source: LibvirtSource
) -> None:
    poll(source)
    host.signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        _, report = poll(source)
        assert time.monotonic() - started < DEADLINE_S + 1
        assert report.errors == [f"libvirt at {source.name} does not answer"]
    finally:
        host.signal(signal.SIGCONT)
    wait_until_healthy(source)


def test_no_libvirt_process_outlives_an_agent_that_was_killed_even_in_a_call_that_hangs(
    host: LibvirtHost, source: LibvirtSource
) -> None:
    with host.frozen("instance-00000002"):
        agent = subprocess.Popen(
            [sys.executable, "-c", AGENT, host.uri], stdout=subprocess.PIPE, text=True, bufsize=1
        )
        with agent:
            assert agent.stdout is not None
            child = int(agent.stdout.readline())
            time.sleep(0.5)
            assert is_running(child)
            agent.kill()
            agent.wait()
            assert ended(child), "the child must see the end of its stdin"
    wait_until_healthy(source)


AGENT = """
import sys
from pollers.compute.process import ChildProcess
child = ChildProcess(sys.argv[1])
child.call({"do": "list"}, 5)
print(child.pid, flush=True)
child.call({"do": "stats"}, 60)
"""


def ended(pid: int, within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if not is_running(pid):
            return True
        time.sleep(0.05)
    return False


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
