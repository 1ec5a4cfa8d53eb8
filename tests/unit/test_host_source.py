"""The host source on the machine that runs the tests."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from prometheus_client import REGISTRY

from pollers.batch import BatchBuilder
from pollers.compute.host import HostSource, cpu_seconds, mounted_devices
from pollers.polls import run_poll
from telemetry_site.clock import now_us
from tests.samples import Sample, samples_of


def poll(source: HostSource) -> tuple[dict[tuple[str, str], Sample], BatchBuilder]:
    builder = BatchBuilder("test")
    run_poll(source, builder, now_us(), 10)
    return samples_of(builder), builder


def test_the_machine_is_told_with_the_classic_names_and_units() -> None:
    samples, builder = poll(HostSource("cmp01"))
    assert builder.reports[0].outcome == "ok"
    units = {meter: sample.series.unit for (name, meter), sample in samples.items()}
    for meter, unit in (
        ("hardware.cpu.util", "%"),
        ("hardware.cpu.load.1min", "process"),
        ("hardware.cpu.load.5min", "process"),
        ("hardware.cpu.load.15min", "process"),
        ("hardware.memory.total", "KB"),
        ("hardware.memory.used", "KB"),
        ("hardware.memory.buffer", "KB"),
        ("hardware.memory.cached", "KB"),
        ("hardware.memory.swap.total", "KB"),
        ("hardware.memory.swap.avail", "KB"),
        ("hardware.uptime", "s"),
    ):
        assert units[meter] == unit
        assert samples["cmp01", meter].resource.type == "host"


def test_the_numbers_are_those_of_the_kernel() -> None:
    samples, _ = poll(HostSource("cmp01"))
    lines = Path("/proc/meminfo").read_text().splitlines()
    kernel = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    assert samples["cmp01", "hardware.memory.total"].value == kernel["MemTotal"]
    assert samples["cmp01", "hardware.memory.swap.total"].value == kernel["SwapTotal"]
    used = kernel["MemTotal"] - kernel["MemAvailable"]
    assert samples["cmp01", "hardware.memory.used"].value == pytest.approx(used, rel=0.1)
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert samples["cmp01", "hardware.uptime"].value == pytest.approx(uptime, abs=5)
    assert 0 <= samples["cmp01", "hardware.cpu.util"].value <= 100


def test_disks_and_nics_are_resources_of_their_own_with_counters() -> None:
    samples, _ = poll(HostSource("cmp01"))
    seen = {sample.resource.id: sample.resource for sample in samples.values()}
    for device in mounted_devices():
        assert seen[f"cmp01.{device}"].type == "host_disk"
        total = samples[f"cmp01.{device}", "hardware.disk.size.total"].value
        assert 0 < samples[f"cmp01.{device}", "hardware.disk.size.used"].value <= total
    nics = [name for name in seen if seen[name].type == "host_network_interface"]
    assert nics, "this machine has a NIC that is up"
    for nic in nics:
        for way in ("incoming", "outgoing"):
            for what, unit in (
                ("bytes", "B"), ("packets", "packet"), ("errors", "packet"), ("drops", "packet")
            ):  # fmt: skip
                series = samples[nic, f"hardware.network.{way}.{what}"].series
                assert (series.unit, series.type) == (unit, "cumulative")
    assert not any(name.startswith(("cmp01.lo", "cmp01.tap", "cmp01.veth")) for name in seen)


def test_the_second_poll_tells_cpu_use_since_the_first() -> None:
    source = HostSource("cmp01")
    poll(source)
    before = cpu_seconds()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        sum(range(1000))
    samples, _ = poll(source)
    after = cpu_seconds()
    expected = 100 * (after[0] - before[0]) / (after[1] - before[1])
    assert samples["cmp01", "hardware.cpu.util"].value == pytest.approx(expected, abs=25)
    assert samples["cmp01", "hardware.cpu.util"].value > 10


def test_one_part_that_fails_is_named_and_counted_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(psutil, "virtual_memory", refuse)
    labels = {"source": "host", "part": "memory"}
    before = REGISTRY.get_sample_value("telemetry_poll_part_errors_total", labels) or 0
    samples, builder = poll(HostSource("cmp01"))
    report = builder.reports[0]
    assert report.outcome == "partial"
    assert report.errors == ["memory: PermissionError: [Errno 13] Permission denied"]
    assert ("cmp01", "hardware.memory.total") not in samples
    assert ("cmp01", "hardware.uptime") in samples
    assert REGISTRY.get_sample_value("telemetry_poll_part_errors_total", labels) == before + 1


def test_a_file_system_that_can_not_be_asked_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "pollers.compute.host.mounted_devices", lambda: {"dead": "/no/such/mount", "root": "/"}
    )
    samples, builder = poll(HostSource("cmp01"))
    assert builder.reports[0].errors == [
        "file_systems: OSError: /no/such/mount: No such file or directory"
    ]
    assert ("cmp01.root", "hardware.disk.size.total") in samples
    assert ("cmp01.dead", "hardware.disk.size.total") not in samples


def test_all_samples_of_a_poll_have_one_time_in_whole_milliseconds() -> None:
    samples, _ = poll(HostSource("cmp01"))
    times = {sample.at_us for sample in samples.values()}
    assert len(times) == 1
    assert times.pop() % 1000 == 0
