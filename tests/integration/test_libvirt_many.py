"""A thousand domains in one poll: libvirt's own test driver, and a real libvirtd with QEMU's.

The test driver says of a domain what state it is in and its XML; so does a real one of those that
are shut off, and the sizes besides. What a thousand running guests cost: docs/why/scale.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from meters import wire
from meters.models import HeadSample, Metric, PollReport, Resource
from meters.store.write import store_batch
from pollers.batch import SAMPLES_A_BATCH, BatchBuilder
from pollers.compute.hypervisor import Hypervisor, libvirt_is_installed
from pollers.compute.libvirt_source import LibvirtSource
from pollers.polls import run_poll
from telemetry_site.clock import now_us
from tests.libvirt_host import LibvirtHost, libvirt_host, nova_metadata, why_not
from tests.samples import samples_of

DOMAINS = 1_000
RUNNING_EVERY = 4
FLAVOR = {"disk.root.size", "disk.ephemeral.size"}
STOPPED = {"power.state", "vcpus", "memory"} | {
    f"disk.device.{what}" for what in ("capacity", "allocation", "usage")
}
TEST_DOMAIN = """
<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
  <name>{name}</name><uuid>{uuid}</uuid>{metadata}
  <memory unit='MiB'>512</memory><vcpu>2</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <test:runstate>{state}</test:runstate>
</domain>
"""


def uuid_of(number: int) -> str:
    return str(uuid.UUID(int=(0xCA << 120) + number))


def metadata_of(number: int) -> str:
    return nova_metadata(f"p{number % 7}", "u1", f"web-{number}")


def poll(source: LibvirtSource) -> tuple[BatchBuilder, wire.PollReport]:
    """Within the time that a poll has unless told otherwise: what takes longer is no answer."""
    builder = BatchBuilder("compute.many")
    report = run_poll(source, builder, now_us(), settings.TELEMETRY_POLL_INTERVAL)
    assert (report.outcome, report.errors, builder.rejects) == ("ok", [], [])
    return builder, report


def check_batches(builder: BatchBuilder) -> list[wire.Batch]:
    """As the format has them: each below its limits, the report in one of them, nothing twice."""
    batches = builder.batches()
    for batch in batches:
        assert len(wire.encode(batch)) <= wire.MAX_BATCH_BYTES
        assert batch.samples is None or len(batch.samples.index) // 4 <= SAMPLES_A_BATCH
    assert sum(len(batch.reports) for batch in batches) == 1
    assert sum(len(batch.samples.index) // 4 for batch in batches if batch.samples) == (
        builder.samples
    )
    return batches


@pytest.mark.skipif(not libvirt_is_installed(), reason="libvirt-python is not installed")
@pytest.mark.usefixtures("fresh_store")
def test_a_thousand_domains_of_libvirts_test_driver_reach_the_store(tmp_path: Path) -> None:
    file = tmp_path / "node.xml"
    running = {uuid_of(n) for n in range(DOMAINS) if n % RUNNING_EVERY == 0}
    domains = "".join(
        TEST_DOMAIN.format(
            name=f"instance-{number:08x}", uuid=uuid_of(number), metadata=metadata_of(number),
            state=1 if uuid_of(number) in running else 5,
        )
        for number in range(DOMAINS)
    )  # fmt: skip
    file.write_text(f"<node>{domains}</node>")
    hypervisor = Hypervisor(f"test://{file}", settings.TELEMETRY_LIBVIRT_DEADLINE)
    source = LibvirtSource(hypervisor, "many", ("", ""))
    try:
        poll(source)
        builder, report = poll(source)
    finally:
        hypervisor.close()

    assert (report.details["domains"], report.details["active"]) == (DOMAINS, len(running))
    samples = samples_of(builder)
    assert {name for name, meter in samples if meter == "power.state"} == set(
        map(uuid_of, range(DOMAINS))
    )
    assert {name for name, meter in samples if meter in FLAVOR} == running
    assert {one.value for (name, _), one in samples.items() if name not in running} == {5}
    owner = samples[uuid_of(9), "power.state"].resource
    assert (owner.project_id, owner.metadata["display_name"]) == ("p2", "web-9")
    batches = check_batches(builder)
    assert len(batches) > 1, "their descriptions are more than one batch may hold"
    for batch in batches:
        stored = store_batch(batch)
        assert stored.rejected == 0
    assert HeadSample.objects.count() == len(samples) == DOMAINS + 2 * len(running)
    assert Resource.objects.count() == DOMAINS
    assert Metric.objects.count() == len(samples)
    assert PollReport.objects.get().samples == len(samples)


# --- a real libvirtd -----------------------------------------------------------------------------


@pytest.fixture
def host() -> Iterator[LibvirtHost]:
    """A thousand defined guests, each with a disk, and three more that run."""
    with libvirt_host() as made:
        made.define_many(
            {f"instance-{n:08x}": (uuid_of(n), metadata_of(n)) for n in range(DOMAINS)}
        )
        for number in range(3):
            made.define(f"running-{number}", uuid_of(DOMAINS + number), metadata_of(number))
            made.virsh("start", f"running-{number}")
        yield made


@pytest.mark.libvirt
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "libvirt is there")
def test_a_thousand_defined_guests_beside_some_that_run(host: LibvirtHost) -> None:
    hypervisor = Hypervisor(host.uri, settings.TELEMETRY_LIBVIRT_DEADLINE)
    source = LibvirtSource(hypervisor, "many", ("", ""), report_stopped=True)
    try:
        poll(source)
        builder, report = poll(source)
    finally:
        hypervisor.close()

    assert (report.details["domains"], report.details["active"]) == (DOMAINS + 3, 3)
    meters: dict[str, set[str]] = {}
    for name, meter in samples_of(builder):
        meters.setdefault(name.removesuffix("-vda"), set()).add(meter)
    assert set(meters) == set(map(uuid_of, range(DOMAINS + 3)))
    for number in range(DOMAINS):
        assert meters[uuid_of(number)] == STOPPED
    for number in range(DOMAINS, DOMAINS + 3):
        assert {"cpu", "memory.resident", "disk.device.write.bytes"} <= meters[uuid_of(number)]
    assert builder.samples > SAMPLES_A_BATCH
    assert len(check_batches(builder)) > 1
